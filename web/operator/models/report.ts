/** What a simulation says: the JSON that lies in the evidence of its step. One thing to know: people are told in tens; null
 * is fewer than ten, and nothing here can be narrower than that. */
import type { VersionFragment } from "../../generated/operator";
import { bilingual } from "../../shared/language";

export type People = number | null;
export interface Group { group: string; name?: string; people: People; before_percent: number | null; after_percent: number | null }
export interface Disparity { finding: string; threshold: string; attribute: "sex" | "age" | "district"; groups: Group[]; ratio: string | null; lowest: string | null; highest: string | null; stops: boolean }
export interface Reasons { looked_at: People; rules: { rule: string; label: string; percent: number; mean_points: number }[] }
export interface OfferEffect { offer: string; title: string; threshold: string; before: People; after: People; clean_percent: number | null; denies: boolean | null; spent_fen: number | null; expected_fen: number | null }
export interface Report {
  on: string;
  subject: "person" | "enterprise";
  after: { version: string };
  before: { version: string } | null;
  people: People;
  grades: { code: string | null; name: string; before: People; after: People }[];
  histogram: { from: number; until: number; before: People; after: People }[];
  moves: { from: string | null; to: string | null; people: People }[];
  changed: { better: People; worse: People; points_up: People; points_down: People };
  reasons: { better: Reasons; worse: Reasons } | null;
  offers: OfferEffect[];
  disparity: Disparity[];
  stops: { deniability: string[]; disparity: string[] };
}
export type Step = VersionFragment["steps"][number];
export interface Run { step: Step; report: Report; sha256: string }

/** The newest simulation or shadow run since the content was last drafted; later drafts made earlier runs void. */
export function lastRun(version: VersionFragment): Run | null {
  const drafted = Math.max(...version.steps.filter(({ act }) => act === "draft").map(({ step }) => step));
  const step = version.steps.findLast(({ act, step: at }) => ["simulate", "shadow"].includes(act) && at > drafted);
  if (step === undefined) return null;
  const { summary, report } = JSON.parse(step.evidence) as { summary: Report; report: string };
  return { step, report: summary, sha256: report };
}

/** Signatures for unequal shares of this content, each with what it was given for. */
export const signatures = (version: VersionFragment): { step: Step; findings: string[] }[] =>
  version.steps
    .filter(({ act, checksum }) => act === "sign-disparity" && checksum === version.checksum)
    .map((step) => ({ step, findings: (JSON.parse(step.evidence) as { findings: string[] }).findings }));

/** What of a run somebody has yet to sign for. */
export function unsigned(version: VersionFragment, run: Run): string[] {
  const signed = new Set(signatures(version).flatMap(({ findings }) => findings));
  return run.report.stops.disparity.filter((finding) => !signed.has(finding));
}

const WORDS: Record<string, string> = { 性别: "sex", 年龄段: "age", 区县: "district", 女: "women", 男: "men", 未评价: "not evaluated" };

/** Its names for the reader: evidence is kept as it was made, in Chinese. */
export const named = (name: string): string =>
  bilingual(name, WORDS[name] ?? name.replace(/^(.+) 及以上 · (.+)$/, (_, threshold: string, by: string) => `${threshold} or better · ${WORDS[by] ?? by}`).replace(/ 岁及以上$/, " and over").replace(/ 岁$/, "").replace(/^(\S+) 级$/, "Grade $1"));
