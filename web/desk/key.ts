/** A partner's own keys in the browser. One thing to know: the private half is made here or read from a file, held in
 * memory, saved as a file by its owner, and never sent and never kept. */
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, importPKCS8, SignJWT, type JWK } from "jose";
import { Refused, Unreachable } from "../shared/http";
import { bilingual } from "../shared/language";
import { begin, type Session } from "../shared/session";

export interface PartnerKey {
  sign: CryptoKey;
  algorithm: "EdDSA" | "ES256";
  /** Thumbprint (RFC 7638). */
  kid: string;
  /** What is registered. */
  publicJwk: JWK;
}

/** A fresh Ed25519 pair, and the file that its owner has to keep. */
export async function makeKey(): Promise<{ key: PartnerKey; file: Blob }> {
  const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const whole = await exportJWK(pair.privateKey);
  const key = await keyOf(whole);
  const file = JSON.stringify({ ...whole, kid: key.kid, alg: key.algorithm, use: "sig" }, null, 2);
  return { key, file: new Blob([`${file}\n`], { type: "application/json" }) };
}

/** The private key of a file: a JWK, or PEM (PKCS #8). Throws `Refused`. */
export async function readKey(text: string): Promise<PartnerKey> {
  try {
    if (text.trimStart().startsWith("{")) return await keyOf(JSON.parse(text) as JWK);
    for (const algorithm of ["EdDSA", "ES256"] as const) {
      const found = await importPKCS8(text, algorithm, { extractable: true }).catch(() => null);
      if (found !== null) return await keyOf(await exportJWK(found));
    }
  } catch {
    // Said below, whatever is wrong with it.
  }
  throw new Refused("KEY_UNREADABLE", bilingual("这不是 Ed25519 或 P-256 的私钥文件(JWK 或未加密的 PEM)。请选择登记公钥时保存的那个文件。", "This is no file with an Ed25519 or P-256 private key (a JWK or an unencrypted PEM). Choose the one you kept when you registered the public key."));
}

async function keyOf(whole: JWK): Promise<PartnerKey> {
  const { kty, crv, x, y, d } = whole;
  const algorithm = crv === "Ed25519" ? "EdDSA" : "ES256";
  if (d === undefined || (algorithm === "ES256" && crv !== "P-256")) throw new Error("no private key");
  const own: JWK = { kty, crv, x, ...(y !== undefined && { y }) };
  const kid = await calculateJwkThumbprint(own);
  // Not extractable: whatever runs on this page may sign with it, and cannot carry it away.
  const sign = (await importJWK({ ...own, d }, algorithm, { extractable: false })) as CryptoKey;
  return { sign, algorithm, kid, publicJwk: { ...own, kid, alg: algorithm, use: "sig" } };
}

/** The public half of what was pasted, as text to register. Throws `Refused` where the private half is in it. */
export function publicText(pasted: string): string {
  let found: JWK;
  try {
    found = JSON.parse(pasted) as JWK;
  } catch {
    throw new Refused("KEY_UNREADABLE", bilingual("这不是 JWK 格式的公钥。请粘贴 xinyi partner key new 输出的那一行。", "This is no public key in JWK format. Paste the line that xinyi partner key new printed."));
  }
  // It would be burnt by being sent.
  if ("d" in found) throw new Refused("PRIVATE_KEY_GIVEN", bilingual("这里面含有私钥(d),没有发送。请只粘贴公钥;私钥请自己保管。", "This holds the private key (d), so it was not sent. Paste the public half only, and keep the private one to yourself."));
  return JSON.stringify(found);
}

/** Where a key signs in: the live side, or the sandbox. */
export type Door = "" | "/sandbox";
const ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

interface Said {
  access_token?: string;
  expires_in?: number;
  scope?: string;
  error_description?: string;
  xinyi_code?: string;
}

async function said<Body>(path: string, given: RequestInit = {}): Promise<Body> {
  try {
    return (await (await fetch(path, given)).json()) as Body;
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function tokenBy(key: PartnerKey, door: Door): Promise<{ token: string; until: number; role: string }> {
  const { token_endpoint: audience } = await said<{ token_endpoint: string }>(`${door}/.well-known/oauth-authorization-server`);
  const assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid })
    .setIssuer(key.kid)
    .setSubject(key.kid)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime("1m")
    .sign(key.sign);
  const body = new URLSearchParams({ grant_type: "client_credentials", client_assertion_type: ASSERTION, client_assertion: assertion });
  const found = await said<Said>(`${door}/oauth/token`, { method: "POST", body });
  if (found.access_token === undefined) throw new Refused(found.xinyi_code ?? "SIGN_IN_FAILED", found.error_description ?? bilingual("登录没有成功。请核对私钥文件。", "Signing in did not work. Check the key file."));
  return { token: found.access_token, until: Date.now() + (found.expires_in ?? 0) * 1000, role: found.scope ?? "partner" };
}

/** Sign in by key (RFC 7523). The session lasts as long as the page: the key is in nothing else. Throws `Refused`. */
export async function signInByKey(session: Session, key: PartnerKey, door: Door): Promise<void> {
  const next = async () => {
    const { role, ...access } = await tokenBy(key, door);
    // Who was an applicant yesterday may be a representative today.
    begin(session, { role: "key", account: role.toUpperCase(), id: key.kid });
    return access;
  };
  session.access = await next();
  session.next = next;
}
