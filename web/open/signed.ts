/** Whether something signed is ours, found out in this browser. One thing to know: a text has one spelling only. What
 * decodes to the same bytes by another spelling is refused, as `xinyi receipt verify` refuses it. */
import { compactVerify, importJWK } from "jose";
import { publishedKeys, sha256Of, type PublishedKeys } from "../shared/checking";

export type Purpose = "receipt" | "report" | "proof";
type Values = Record<string, unknown>;

/** What is wrong with it; the words are under `check.wrong`. */
export type Fault = "shape" | "spelling" | "json" | "type" | "key" | "signature" | "claims" | "pdf" | "attachment" | "differs";
export class NotGenuine extends Error {
  constructor(readonly fault: Fault) {
    super(fault);
  }
}
/** This browser cannot check such signatures, or the keys cannot be had: nothing has been said about the text. */
export class Unable extends Error {
  constructor(readonly why: "browser" | "keys") {
    super(why);
  }
}

const TYPES: Record<string, Purpose> = {
  "xinyi-receipt+jwt": "receipt",
  "xinyi-report+jwt": "report",
  "xinyi-proof+jwt": "proof",
};
const LONGEST: Record<Purpose, number> = { receipt: 8_192, report: 50_000_000, proof: 50_000_000 };
const RECEIPT = ["iat", "iss", "jti", "leaf", "offer", "offerVersion", "outcome", "partner", "subject"];
const AUDIENCES: Record<Purpose, string | undefined> = { receipt: undefined, report: "xinyi-report", proof: "xinyi-proof" };

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The bytes of canonical base64url. Throws `NotGenuine`: padding, another alphabet, or stray bits in the last letter. */
export function bytesOf(text: string): Uint8Array {
  const rest = text.length % 4;
  const stray = rest === 2 ? 15 : rest === 3 ? 3 : 0;
  const last = LETTERS.indexOf(text.at(-1) ?? "A");
  if (rest === 1 || !/^[A-Za-z0-9_-]*$/.test(text) || (last & stray) !== 0) throw new NotGenuine("spelling");
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function valuesOf(bytes: Uint8Array): Values {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new NotGenuine("json");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new NotGenuine("json");
  return value as Values;
}

async function keyOf(purpose: Purpose, kid: unknown): Promise<CryptoKey> {
  let keys: PublishedKeys["keys"];
  try {
    ({ keys } = await publishedKeys());
  } catch {
    throw new Unable("keys");
  }
  const jwk = keys.find((one) => one.kid === kid && one.purpose === purpose);
  if (jwk === undefined) throw new NotGenuine("key");
  try {
    return (await importJWK(jwk, "EdDSA")) as CryptoKey;
  } catch {
    throw new Unable("browser");
  }
}

export interface Signed {
  purpose: Purpose;
  claims: Values;
  kid: string;
  /** SHA-256 of the text, in hex. */
  sha256: string;
}

/** The claims of a text that we signed. Throws `NotGenuine` or `Unable`. */
export async function checkSigned(text: string): Promise<Signed> {
  const parts = text.split(".");
  if (parts.length !== 3) throw new NotGenuine("shape");
  const [head, content] = parts.map(bytesOf) as [Uint8Array, Uint8Array];
  const header = valuesOf(head);
  const claims = valuesOf(content);
  const purpose = TYPES[String(header["typ"])];
  if (purpose === undefined || header["alg"] !== "EdDSA") throw new NotGenuine("type");
  if (text.length > LONGEST[purpose]) throw new NotGenuine("shape");
  // Outside https there is no cryptography in a browser.
  if (globalThis.crypto?.subtle === undefined) throw new Unable("browser");
  const key = await keyOf(purpose, header["kid"]);
  try {
    await compactVerify(text, key, { algorithms: ["EdDSA"] });
  } catch (error) {
    throw error instanceof DOMException ? new Unable("browser") : new NotGenuine("signature");
  }
  if (purpose === "receipt" && Object.keys(claims).sort().join() !== RECEIPT.join()) throw new NotGenuine("claims");
  if (claims["aud"] !== AUDIENCES[purpose]) throw new NotGenuine("claims");
  return { purpose, claims, kid: String(header["kid"]), sha256: await sha256Of(new TextEncoder().encode(text)) };
}
