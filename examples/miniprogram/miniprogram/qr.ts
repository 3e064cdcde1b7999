/** QR codes (ISO/IEC 18004): bytes, error correction M, versions 1 to 20, enough for 666 letters. Pure: text in, dark and
 * light modules out. One thing to know: any of the eight masks can be read; the one is taken that looks most even. */

/** Per version from 1: codewords of error correction in a block, and number of blocks (level M). */
const CORRECTION = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const MASKS: ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** All modules row by row; true is dark. The quiet zone of four modules is left to whoever draws. Throws RangeError. */
export function qrOf(text: string): boolean[][] {
  const bytes = Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));
  const version = [...BLOCKS.keys()].map((at) => at + 1).find((one) => capacity(one) * 8 >= 4 + (one < 10 ? 8 : 16) + bytes.length * 8);
  if (version === undefined) throw new RangeError("too long for a QR code");
  const { modules, isFixed } = patterns(version);
  place(modules, isFixed, codewords(bytes, version));
  const masked = MASKS.map((_, mask) => withMask(modules, isFixed, mask));
  return masked.reduce((best, one) => (unevenness(one) < unevenness(best) ? one : best));
}

/** Modules that carry data, over eight: codewords in all. */
function total(version: number): number {
  const aligned = Math.floor(version / 7) + 2;
  const free = (16 * version + 128) * version + 64 - (version < 2 ? 0 : (25 * aligned - 10) * aligned - 55) - (version < 7 ? 0 : 36);
  return Math.floor(free / 8);
}
const capacity = (version: number) => total(version) - CORRECTION[version - 1]! * BLOCKS[version - 1]!;

function codewords(bytes: number[], version: number): number[] {
  const bits: number[] = [];
  const push = (value: number, length: number) => {
    for (let at = length - 1; at >= 0; at--) bits.push((value >> at) & 1);
  };
  push(4, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) push(byte, 8);
  const size = capacity(version);
  push(0, Math.min(4, size * 8 - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  const data = Array.from({ length: bits.length / 8 }, (_, at) => bits.slice(at * 8, at * 8 + 8).reduce((byte, bit) => byte * 2 + bit, 0));
  for (let pad = 0xec; data.length < size; pad ^= 0xec ^ 0x11) data.push(pad);
  return interleaved(data, version);
}

/** Blocks with their correction, taken in turns. */
function interleaved(data: number[], version: number): number[] {
  const count = BLOCKS[version - 1]!;
  const extra = CORRECTION[version - 1]!;
  const short = Math.floor(data.length / count);
  const longFrom = count - (data.length % count);
  const divisor = generator(extra);
  let from = 0;
  const blocks = Array.from({ length: count }, (_, at) => {
    const block = data.slice(from, (from += short + (at >= longFrom ? 1 : 0)));
    return { block, correction: remainder(block, divisor) };
  });
  const turns = (length: number, of: (one: (typeof blocks)[number]) => number[]) =>
    Array.from({ length }, (_, at) => blocks.flatMap((one) => of(one).slice(at, at + 1))).flat();
  return [...turns(short + 1, ({ block }) => block), ...turns(extra, ({ correction }) => correction)];
}

/** In the field of 256 with x⁸ + x⁴ + x³ + x² + 1. */
function times(one: number, other: number): number {
  let product = 0;
  for (let at = 7; at >= 0; at--) product = (product << 1) ^ ((product >> 7) * 0x11d) ^ (((other >> at) & 1) * one);
  return product;
}

function generator(degree: number): number[] {
  const found: number[] = Array.from({ length: degree }, (_, at) => (at === degree - 1 ? 1 : 0));
  for (let root = 1, step = 0; step < degree; step++, root = times(root, 2)) {
    for (let at = 0; at < degree; at++) found[at] = times(found[at]!, root) ^ (found[at + 1] ?? 0);
  }
  return found;
}

function remainder(data: number[], divisor: number[]): number[] {
  const left = divisor.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ left.shift()!;
    left.push(0);
    divisor.forEach((coefficient, at) => (left[at] = left[at]! ^ times(coefficient, factor)));
  }
  return left;
}

interface Drawn {
  modules: boolean[][];
  isFixed: boolean[][];
}

/** Finders, timing, alignment and version; the place of the format is kept free. */
function patterns(version: number): Drawn {
  const size = version * 4 + 17;
  const empty = () => Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  const drawn = { modules: empty(), isFixed: empty() };
  const set = (x: number, y: number, dark: boolean) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    drawn.modules[y]![x] = dark;
    drawn.isFixed[y]![x] = true;
  };
  const square = (x: number, y: number, reach: number, light: number[]) => {
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) set(x + dx, y + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
    }
  };
  for (let at = 0; at < size; at++) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  const centres = alignments(version);
  const last = centres.length - 1;
  centres.forEach((y, row) => centres.forEach((x, column) => {
    const isCorner = (row === 0 && (column === 0 || column === last)) || (row === last && column === 0);
    if (!isCorner) square(x, y, 2, [1]);
  }));
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) square(x, y, 4, [2, 4]);
  for (let at = 0; at < 9; at++) {
    set(8, at, drawn.modules[at]![8]!);
    set(at, 8, drawn.modules[8]![at]!);
    if (at < 8) {
      set(size - 1 - at, 8, false);
      set(8, size - 1 - at, at === 7);
    }
  }
  if (version >= 7) {
    const bits = (version << 12) | checked(version, 0x1f25, 12);
    for (let at = 0; at < 18; at++) {
      const [far, near] = [size - 11 + (at % 3), Math.floor(at / 3)];
      set(far, near, ((bits >> at) & 1) === 1);
      set(near, far, ((bits >> at) & 1) === 1);
    }
  }
  return drawn;
}

function alignments(version: number): number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, at) => version * 4 + 10 - (count - 2 - at) * step)];
}

function checked(value: number, divisor: number, length: number): number {
  let left = value;
  for (let at = 0; at < length; at++) left = (left << 1) ^ ((left >> (length - 1)) * divisor);
  return left & ((1 << length) - 1);
}

/** Fill the free modules, two columns at a time, up and down. */
function place(modules: boolean[][], isFixed: boolean[][], data: number[]): void {
  const size = modules.length;
  let bit = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const isUp = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step++) {
      const y = isUp ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (isFixed[y]![x]) continue;
        modules[y]![x] = (((data[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        bit++;
      }
    }
  }
}

function withMask(modules: boolean[][], isFixed: boolean[][], mask: number): boolean[][] {
  const size = modules.length;
  const masked = modules.map((row, y) => row.map((dark, x) => (isFixed[y]![x] ? dark : dark !== MASKS[mask]!(x, y))));
  // Level M is 0, so that the mask alone is the format.
  const bits = ((mask << 10) | checked(mask, 0x537, 10)) ^ 0x5412;
  const around = [0, 1, 2, 3, 4, 5, 7, 8];
  for (let at = 0; at < 15; at++) {
    const dark = ((bits >> at) & 1) === 1;
    const [x, y] = at < 8 ? [8, around[at]!] : [at === 8 ? 7 : 14 - at, 8];
    masked[y]![x] = dark;
    const [x2, y2] = at < 8 ? [size - 1 - at, 8] : [8, size - 15 + at];
    masked[y2]![x2] = dark;
  }
  return masked;
}

/** Long runs and solid squares, which cameras read badly. */
function unevenness(modules: boolean[][]): number {
  const size = modules.length;
  let found = 0;
  for (const at of [(x: number, y: number) => modules[y]![x], (x: number, y: number) => modules[x]![y]]) {
    for (let y = 0; y < size; y++) {
      for (let x = 1, run = 1; x < size; x++) {
        run = at(x, y) === at(x - 1, y) ? run + 1 : 1;
        if (run >= 5) found += run === 5 ? 3 : 1;
      }
    }
  }
  for (let y = 1; y < size; y++) {
    for (let x = 1; x < size; x++) {
      const dark = modules[y]![x];
      if (modules[y - 1]![x] === dark && modules[y]![x - 1] === dark && modules[y - 1]![x - 1] === dark) found += 3;
    }
  }
  return found;
}
