/** The catalogue's proof, read and its signature checked in this browser. One thing to know: what is checked here is who
 * signed and that nothing was changed; that it holds, `xinyi guard verify` shows by doing all of it again. */
import { compactVerify, createLocalJWKSet } from "jose";
import { publishedKeys } from "../../shared/checking";
import { Unreachable } from "../../shared/http";

const TYPE = "xinyi-proof+jwt";
const AUDIENCE = "xinyi-proof";
export interface Proof {
  iss: string;
  aud: string;
  issued_at: string;
  on: string;
  statement: Record<string, string>;
  rules: string[];
  inputs: Record<string, Record<string, string>>;
  outcomes: Record<string, Record<string, string[]>>;
  groups: Record<string, string[]>;
  apart: Record<string, string>;
  counts: { offers: number; outcomes: number; guard_checks: number };
  failures: { offer: string; where: string; why: string }[];
  holds: boolean;
}

async function read(path: string): Promise<Response> {
  const response = await fetch(path, { cache: "no-cache" }).catch((error: unknown) => {
    throw new Unreachable(String(error));
  });
  if (!response.ok) throw new Unreachable(await response.text());
  return response;
}

/** The proof that is served, with the key that signed it. Throws where the signature is not one of this deployment's. */
export async function readProof(): Promise<{ proof: Proof; kid: string; token: string }> {
  const [token, keys] = await Promise.all([read("/.well-known/offers-proof").then((response) => response.text()), publishedKeys()]);
  // A key is for one purpose alone: a receipt's key may sign no proof.
  const ours = keys.keys.filter((key) => key.purpose === "proof");
  const { payload, protectedHeader } = await compactVerify(token.trim(), createLocalJWKSet({ keys: ours }), { algorithms: ["EdDSA"] });
  const proof = JSON.parse(new TextDecoder().decode(payload)) as Proof;
  if (protectedHeader.typ !== TYPE || proof.aud !== AUDIENCE) throw new Error("typ, aud");
  return { proof, kid: protectedHeader.kid ?? "", token };
}

export interface Line {
  id: string;
  /** Everything that the offer adds for anybody. */
  adds: string[];
  /** Standings in which something is added, and in which there is the standard service alone. */
  given: string[];
  standard: string[];
  apart: string;
}

/** One line for each offer. */
export function linesOf({ outcomes, apart }: Proof): Line[] {
  return Object.entries(outcomes).map(([id, standings]) => {
    const found = Object.entries(standings);
    return {
      id,
      adds: [...new Set(found.flatMap(([, added]) => added))],
      given: found.filter(([, added]) => added.length > 0).map(([standing]) => standing),
      standard: found.filter(([, added]) => added.length === 0).map(([standing]) => standing),
      apart: apart[id] ?? "",
    };
  });
}
