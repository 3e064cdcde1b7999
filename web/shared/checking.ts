/** What checking a signature in the browser needs. One thing to know: keys come from this deployment, never from what is
 * checked, and each is for one purpose alone. */
import type { JSONWebKeySet, JWK } from "jose";
import { read } from "./http";

export interface PublishedKeys extends JSONWebKeySet {
  keys: (JWK & { purpose?: string })[];
}

/** The keys that signatures of this deployment are checked by. Throws `Unreachable`. */
export const publishedKeys = (): Promise<PublishedKeys> => read("/.well-known/jwks.json", { cache: "no-cache" });

/** SHA-256 in hex. */
export async function sha256Of(bytes: BufferSource): Promise<string> {
  return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
