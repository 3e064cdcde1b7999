/** What somebody handed in: pasted, as a file, or as a picture of a QR code. One thing to know: a file is read here and
 * goes nowhere. A PDF may show anything; what counts is the one signed text that is attached to it. */
import { NotGenuine } from "./signed";

export type Handed =
  | { sort: "signed"; text: string; shown?: unknown }
  /** What the QR code of a report says: its number and the hash of its signed text. */
  | { sort: "report"; id: string; sha256: string };

const LARGEST = 50_000_000;
const REPORT_ADDRESS = /\/reports\/([0-9a-f-]{36})\/([0-9a-f]{64})$/i;

/** What a text is, pasted or read from a QR code. Throws `NotGenuine`. */
export function handedText(text: string): Handed {
  const plain = text.trim();
  const [, id, sha256] = REPORT_ADDRESS.exec(plain) ?? [];
  if (id !== undefined && sha256 !== undefined) return { sort: "report", id, sha256: sha256.toLowerCase() };
  return plain.startsWith("{") ? fromJson(plain) : { sort: "signed", text: plain };
}

/** What a file is. Throws `NotGenuine`. */
export async function handedFile(file: Blob): Promise<Handed> {
  if (file.size > LARGEST) throw new NotGenuine("shape");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const starts = String.fromCharCode(...bytes.slice(0, 4));
  if (starts === "%PDF") return { sort: "signed", text: await attachedTo(bytes) };
  const text = new TextDecoder().decode(bytes);
  // One line end is how text files end; anything else is a change.
  return text.startsWith("{") ? fromJson(text) : { sort: "signed", text: text.replace(/\r?\n$/, "") };
}

function fromJson(text: string): Handed {
  let content: { signed?: unknown; report?: unknown };
  try {
    content = JSON.parse(text) as typeof content;
  } catch {
    throw new NotGenuine("json");
  }
  if (typeof content.signed !== "string" || content.report === undefined) throw new NotGenuine("json");
  return { sort: "signed", text: content.signed, shown: content.report };
}

/** The signed text attached to a PDF of ours. Throws `NotGenuine` where there is not exactly one. */
async function attachedTo(pdf: Uint8Array<ArrayBuffer>): Promise<string> {
  // One letter for each byte, so that places in the text are places in the file.
  const text = new TextDecoder("latin1").decode(pdf);
  const found = [...text.matchAll(/\/Type \/EmbeddedFile\s*>>\s*stream\r?\n/g)];
  const [only] = found;
  if (only === undefined || found.length > 1) throw new NotGenuine("attachment");
  const dictionary = text.slice(text.lastIndexOf(" obj", only.index), only.index);
  const length = Number(/\/Length (\d+)/.exec(dictionary)?.[1]);
  const from = only.index + only[0].length;
  if (!dictionary.includes("/FlateDecode") || !(length > 0)) throw new NotGenuine("attachment");
  const inflated = new Blob([pdf.slice(from, from + length)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const parts: string[] = [];
  let size = 0;
  const decoder = new TextDecoder();
  try {
    for (const reader = inflated.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return parts.join("");
      // A small file can unpack into a very large one.
      if ((size += value.length) > LARGEST) throw new NotGenuine("attachment");
      parts.push(decoder.decode(value, { stream: true }));
    }
  } catch {
    throw new NotGenuine("pdf");
  }
}

/** Whether two values from JSON are the same. */
export function same(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => Object.hasOwn(other, name) && same((one as Record<string, unknown>)[name], (other as Record<string, unknown>)[name]));
}
