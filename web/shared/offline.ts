/** What a phone and a gate without network have in common: how a pass and a shown code are laid out, and keys that cannot
 * be carried away. One thing to know: whole numbers are big-endian, instants are whole seconds, and each text has one
 * spelling (docs/offline.md). */
import { base64url } from "jose";
import { Refused } from "./http";
import { bilingual } from "./language";

export const BODY_LENGTH = 69;
export const PASS_LENGTH = BODY_LENGTH + 64;
export const CODE_LENGTH = 268;
/** What stands before the signed bytes, so that neither signature is ever taken for another. */
export const OF_PASS = new TextEncoder().encode("xinyi-offline-pass\0");
export const OF_CODE = new TextEncoder().encode("xinyi-offline-code\0");

export type Bytes = Uint8Array<ArrayBuffer>;

export const textOf = (bytes: Bytes): string => base64url.encode(bytes);
/** The bytes of base64url; null where that is not the one spelling of them. */
export function bytesOf(text: string): Bytes | null {
  try {
    const bytes = new Uint8Array(base64url.decode(text));
    return textOf(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}
export const joined = (...parts: Bytes[]): Bytes => Uint8Array.from(parts.flatMap((part) => [...part]));

/** A fresh Ed25519 pair, whose private half may be kept and used here and never read. Throws `Refused` where the browser is
 * too old for it. */
export async function newKey(): Promise<{ key: CryptoKey; publicKey: string }> {
  try {
    const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"])) as CryptoKeyPair;
    return { key: pair.privateKey, publicKey: textOf(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey))) };
  } catch {
    throw new Refused("BROWSER_TOO_OLD", bilingual("这个浏览器不能生成离线所需的密钥。请更新浏览器,或换一台设备;联网使用不受影响。", "This browser cannot make the keys that offline use needs. Update it or take another device; online use works as before."));
  }
}

export const sign = async (key: CryptoKey, bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, key, bytes));
/** Whether a raw public key's other half has signed it. */
export async function isSigned(publicKey: Bytes, signature: Bytes, bytes: Bytes): Promise<boolean> {
  const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]).catch(() => null);
  return key !== null && crypto.subtle.verify({ name: "Ed25519" }, key, signature, bytes);
}
