/** The signed checkpoints of the audit trail, as everybody can fetch them. One thing to know: they are checked here, in the
 * browser: each signature, and that each names the one before it. Whether the rows agree is for `xinyi audit verify`. */
import { compactVerify, createLocalJWKSet } from "jose";
import { publishedKeys, sha256Of } from "../../shared/checking";
import { Unreachable } from "../../shared/http";

export interface Checkpoint {
  number: number;
  at: string;
  /** A JWS. */
  statement: string;
}

export interface Checked {
  checkpoints: Checkpoint[];
  /** The newest, with how many chains moved before it. */
  newest: { number: number; at: string; chains: number; sha256: string } | null;
  /** Number of the first that does not hold. */
  broken: number | null;
}

const PATH = "/.well-known/audit-checkpoints";
const AT_ONCE = 1000;

async function readPage(after: number): Promise<Checkpoint[]> {
  const response = await fetch(`${PATH}?after=${after}`).catch((error: unknown) => { throw new Unreachable(String(error)); });
  if (!response.ok) throw new Unreachable(String(response.status));
  return (await response.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line) as Checkpoint);
}

/** Fetch all checkpoints and check them. Throws `Unreachable`. */
export async function checkedCheckpoints(): Promise<Checked> {
  const checkpoints: Checkpoint[] = [];
  for (let page = await readPage(0); page.length; page = page.length < AT_ONCE ? [] : await readPage(page.at(-1)?.number ?? 0)) checkpoints.push(...page);
  const keys = createLocalJWKSet(await publishedKeys());
  let previous: string | null = null;
  let newest: Checked["newest"] = null;
  for (const { number, at, statement } of checkpoints) {
    try {
      const { payload, protectedHeader } = await compactVerify(statement, keys);
      const said = JSON.parse(new TextDecoder().decode(payload)) as { number: number; previous: string | null; heads: Record<string, unknown> };
      if (protectedHeader.typ !== "xinyi-audit+jwt" || said.number !== number || said.previous !== previous) return { checkpoints, newest, broken: number };
      previous = await sha256Of(new TextEncoder().encode(statement));
      newest = { number, at, chains: Object.keys(said.heads).length, sha256: previous };
    } catch {
      return { checkpoints, newest, broken: number };
    }
  }
  return { checkpoints, newest, broken: null };
}
