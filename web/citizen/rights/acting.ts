/** Acting for another under a mandate. One thing to know: it is a session of its own beside one's own sign-in, in memory
 * alone; when it ends, by its term or by a tap, the page is one's own again and nothing of the other one is kept. */
import { shallowRef } from "vue";
import { Client } from "../../shared/graphql";
import { openSession } from "../../shared/session";

export interface Acting {
  /** For whom: a masked name. */
  readonly name: string;
  readonly until: string;
  readonly client: Client;
}

/** For whom the page acts at present; null: for the one who signed in. */
export const acting = shallowRef<Acting | null>(null);

/** Begin to act, with what `openMandate` gave. */
export function actFor(name: string, token: string, until: string): void {
  const session = openSession("acting", sessionStorage);
  session.access = { token, until: Date.parse(until) };
  session.who = { role: name };
  acting.value = { name, until, client: new Client(session) };
}

/** Be oneself again. */
export function actForOneself(): void {
  acting.value = null;
}
