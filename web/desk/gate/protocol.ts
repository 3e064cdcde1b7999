/** How a gate without network judges a shown code, and signs a use. One thing to know: it judges as `xinyi offline check`
 * does, check by check, and its answer is a good pass for an offer or a refusal that says nothing of the person. */
import { compactVerify, decodeProtectedHeader, importJWK, SignJWT } from "jose";
import type { PublishedKeys } from "../../shared/checking";
import { BODY_LENGTH, bytesOf, CODE_LENGTH, isSigned, joined, OF_CODE, OF_PASS, PASS_LENGTH, textOf, type Bytes } from "../../shared/offline";

/** Seconds for which a shown code is good, by which clocks may differ, and for which a bundle is judged by. */
const SHOWN = 60;
const SKEW = 120;
const BUNDLE = 24 * 3600;
const LONGEST_BUNDLE = 4_000_000;
const PRIME = 2n ** 255n - 19n;
/** Heights of the points for which anybody's signature can be made to hold. */
const SMALL_ORDER = [
  0n,
  1n,
  PRIME - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
];

export type Refusal = "BUNDLE_STALE" | "CODE_INVALID" | "CODE_REPLAYED" | "CODE_EXPIRED" | "CODE_OTHER_OFFER" | "PASS_ENDED";
export interface BundleOffer { number: number; id: string; title: string; benefit: string; standardService: string }
interface BundleKey { kid: string; x: string; from: number | null; until: number | null }
/** What a gate fetches once a day. */
export interface Bundle { gate: string; site: string; iat: number; keys: BundleKey[]; offers: BundleOffer[]; ended: string[] }
export interface Judged {
  /** Null where the pass is good. */
  refusal: Refusal | null;
  offer?: BundleOffer;
  passId?: string;
}

const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const utf8 = (text: string): Bytes => new TextEncoder().encode(text);
const tagOf = async (kid: string): Promise<string> => textOf((await sha256(utf8(kid))).slice(0, 4));
const endedHash = async (passId: Bytes): Promise<string> => textOf((await sha256(joined(utf8("xinyi-offline-ended\0"), passId))).slice(0, 16));

/** A genuine bundle for this gate; null where it is not one, or not readable. */
export async function openBundle({ keys }: PublishedKeys, token: string, gateId: string): Promise<Bundle | null> {
  try {
    if (token.length > LONGEST_BUNDLE || token.split(".").some((part) => bytesOf(part) === null)) return null;
    const { kid, typ } = decodeProtectedHeader(token);
    const found = keys.find((key) => key.kid === kid && key.purpose === "offline");
    if (found === undefined || typ !== "xinyi-offline+jwt") return null;
    const { payload } = await compactVerify(token, await importJWK(found, "EdDSA"), { algorithms: ["EdDSA"] });
    const bundle = JSON.parse(new TextDecoder().decode(payload)) as Bundle;
    const isWhole = [bundle.keys, bundle.offers, bundle.ended].every(Array.isArray) && Number.isInteger(bundle.iat);
    return isWhole && bundle.gate === gateId ? bundle : null;
  } catch {
    return null;
  }
}

/** Whether a gate may judge by a bundle at an instant, in seconds. */
export const isFresh = ({ iat }: Bundle, now: number): boolean => -SKEW <= now - iat && now - iat <= BUNDLE;

function isDeviceKey(raw: Bytes): boolean {
  const height = [...raw].reverse().reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) & (2n ** 255n - 1n);
  return height < PRIME && !SMALL_ORDER.includes(height);
}

interface Shown { key: BundleKey; passId: Bytes; number: bigint; notBefore: number; expires: number; at: number }

/** What a shown code says; null where we did not issue the pass, its own phone did not show it, or a letter was changed.
 * Times are not judged. */
async function readCode(code: string, bundle: Bundle): Promise<Shown | null> {
  const raw = code.length === CODE_LENGTH ? bytesOf(code) : null;
  if (raw === null || raw[0] !== 1) return null;
  const tag = textOf(raw.slice(1, 5));
  const tags = await Promise.all(bundle.keys.map(({ kid }) => tagOf(kid)));
  const key = bundle.keys[tags.indexOf(tag)];
  const [body, signed, device] = [raw.slice(0, BODY_LENGTH), raw.slice(0, PASS_LENGTH + 4), raw.slice(37, BODY_LENGTH)];
  const ours = key && bytesOf(key.x);
  if (!key || !ours || !isDeviceKey(device)) return null;
  if (!(await isSigned(ours, raw.slice(BODY_LENGTH, PASS_LENGTH), joined(OF_PASS, body)))) return null;
  if (!(await isSigned(device, raw.slice(PASS_LENGTH + 4), joined(OF_CODE, signed)))) return null;
  const view = new DataView(raw.buffer);
  return { key, passId: raw.slice(5, 21), number: view.getBigUint64(21), notBefore: view.getUint32(29), expires: view.getUint32(33), at: view.getUint32(PASS_LENGTH) };
}

/** Judge a shown code at `now` (seconds, by this gate's clock). `isTaken` knows the passes that this gate has taken. */
export async function judge(code: string, bundle: Bundle | null, now: number, isTaken: (passId: string) => boolean): Promise<Judged> {
  if (bundle === null || !isFresh(bundle, now)) return { refusal: "BUNDLE_STALE" };
  const shown = await readCode(code, bundle);
  if (shown === null) return { refusal: "CODE_INVALID" };
  const { key, notBefore, expires, at } = shown;
  const passId = textOf(shown.passId);
  const offer = bundle.offers.find(({ number }) => BigInt(number) === shown.number);
  const isTimely = notBefore - SKEW <= now && now < expires + SKEW && -SKEW <= now - at && now - at <= SHOWN + SKEW;
  const against: [isSo: boolean, refusal: Refusal][] = [
    [!((key.from ?? -Infinity) - SKEW <= notBefore && notBefore <= (key.until ?? Infinity) + SKEW), "CODE_INVALID"],
    [isTaken(passId), "CODE_REPLAYED"],
    [!isTimely, "CODE_EXPIRED"],
    [offer === undefined, "CODE_OTHER_OFFER"],
    [bundle.ended.includes(await endedHash(shown.passId)), "PASS_ENDED"],
  ];
  return { refusal: against.find(([isSo]) => isSo)?.[1] ?? null, offer, passId };
}

/** A use as the gate keeps it for the sync. */
export const signUse = (key: CryptoKey, use: { gate: string; counter: number; at: number; code: string }): Promise<string> =>
  new SignJWT(use).setProtectedHeader({ alg: "EdDSA", typ: "xinyi-offline-use+jwt" }).sign(key);
