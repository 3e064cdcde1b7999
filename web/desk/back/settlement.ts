/** Checking a settlement file in the browser: signature, hashes, and that its lines add up. One thing to know: nothing
 * here trusts the list that the file was found in; what counts is what our published key signed. */
import { compactVerify, createLocalJWKSet } from "jose";
import { publishedKeys, sha256Of } from "../../shared/checking";

export type Fault = "signature" | "purpose" | "csv" | "json" | "adding";
interface Claims { lines: number; totalFen: number; sha256: { csv: string; json: string } }

const hashOf = async (content: Blob) => sha256Of(await content.arrayBuffer());

/** What is wrong with the two forms of a file, by its statement; null if nothing is. */
export async function faultOf(statement: string, csv: Blob, json: Blob): Promise<Fault | null> {
  const keys = await publishedKeys();
  let claims: Claims;
  try {
    const { payload, protectedHeader } = await compactVerify(statement.trim(), createLocalJWKSet(keys));
    const used = keys.keys.find((key) => key.kid === protectedHeader.kid);
    if (protectedHeader.typ !== "xinyi-settlement+jwt" || used?.purpose !== "settlement") return "purpose";
    claims = JSON.parse(new TextDecoder().decode(payload)) as Claims;
  } catch {
    return "signature";
  }
  if ((await hashOf(csv)) !== claims.sha256.csv) return "csv";
  if ((await hashOf(json)) !== claims.sha256.json) return "json";
  const { lines } = JSON.parse(await json.text()) as { lines: { amountFen: number }[] };
  const total = lines.reduce((sum, line) => sum + BigInt(line.amountFen), 0n);
  return lines.length === claims.lines && total === BigInt(claims.totalFen) ? null : "adding";
}
