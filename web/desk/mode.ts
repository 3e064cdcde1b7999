/** Whether the desk works on the live side or in the sandbox. One thing to know: a view asks through the client that
 * `Side.vue` gives it, so every view works on both sides as it is; the two sign-ins know nothing of each other. */
import { ref } from "vue";
import { Client } from "../shared/graphql";
import { useClient } from "../shared/page";
import { openSession, signOut } from "../shared/session";
import { signInByKey, type PartnerKey } from "./key";

/** Whether all views of the desk look at the sandbox now. */
export const inSandbox = ref(false);
/** Who is signed in over there; by a key in memory, so nobody is after the page was loaded anew. */
export const sandboxSession = openSession("desk-sandbox", sessionStorage);
export const sandboxClient = new Client(sandboxSession, "/sandbox/graphql");

/** The door that the desk asks through: the live side's, or the sandbox's. */
export const useDeskClient = useClient;

/** Go there with a sandbox key. Throws `Refused`. */
export async function enterSandbox(key: PartnerKey): Promise<void> {
  await signInByKey(sandboxSession, key, "/sandbox");
  inSandbox.value = true;
}

/** Come back, and forget the key. */
export async function leaveSandbox(): Promise<void> {
  inSandbox.value = false;
  await signOut(sandboxSession);
}
