/** What has changed between two versions: line by line, and rule by rule in words. */
import type { ToldFragment } from "../../generated/operator";

export interface Line {
  sign: "+" | "-" | " ";
  text: string;
  /** Where it stands in the text before and in the one after, from 1. */
  before?: number;
  after?: number;
}

/** The lines of both texts in order: what went, what came, what stayed (the longest common part). */
export function lineDifference(before: string, after: string): Line[] {
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  // length[i][j]: of the longest common part of what is left from line i and line j on.
  const length = Array.from({ length: old.length + 1 }, () => new Uint32Array(fresh.length + 1));
  const at = (i: number, j: number): number => length[i]?.[j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      (length[i] as Uint32Array)[j] = old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) found.push({ sign: " ", text: old[i] ?? "", before: ++i, after: ++j });
    else if (i < old.length && (j >= fresh.length || at(i + 1, j) >= at(i, j + 1))) found.push({ sign: "-", text: old[i] ?? "", before: ++i });
    else found.push({ sign: "+", text: fresh[j] ?? "", after: ++j });
  }
  return found;
}

/** The lines that changed, each with a few around it; null stands for lines left out. */
export function hunks(lines: Line[], around = 2): (Line | null)[] {
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - around), at + around + 1).some(({ sign }) => sign !== " "));
  return lines.flatMap((line, at) => (near[at] ? [line] : near[at - 1] ? [null] : []));
}

export interface Change {
  name: string;
  was: string | null;
  willBe: string | null;
}

function changes(before: Map<string, [string, string]>, after: Map<string, [string, string]>): Change[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys
    .map((key) => ({ name: (after.get(key) ?? before.get(key))?.[0] ?? key, was: before.get(key)?.[1] ?? null, willBe: after.get(key)?.[1] ?? null }))
    .filter(({ was, willBe }) => was !== willBe);
}

/** Grades and rules that are not the same, in the words that people read. */
export function toldDifference(before: ToldFragment, after: ToldFragment): Change[] {
  const grades = (one: ToldFragment) => new Map(one.grades.map(({ code, name, when }) => [code, [name, when] as [string, string]]));
  const rules = (one: ToldFragment) => new Map(one.rules.map(({ id, label, sentence, window }) => [id, [label, window && !sentence.includes(window) ? `${sentence} · ${window}` : sentence] as [string, string]]));
  return [...changes(grades(before), grades(after)), ...changes(rules(before), rules(after))];
}
