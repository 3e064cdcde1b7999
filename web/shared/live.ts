/** What the server tells by itself. One thing to know: a connection that is lost is made again, and then everything on the
 * page is read anew, since what happened in between is not told twice. */
import { createClient, type Client as Socket } from "graphql-ws";
import { onScopeDispose, ref, watch } from "vue";
import { useAnew } from "./anew";
import type { Client, Document } from "./graphql";
import { language } from "./language";
import { freshToken, replaceToken } from "./session";

/** Whether the page has lost its live connection; false while it never had one. */
export const isLost = ref(false);
/** Whether a part of the page could not be fetched. */
export const isIncomplete = ref(false);
/** Milliseconds between two tries to listen again, where the first did not help. */
const PAUSE = 5_000;
const sockets = new WeakMap<Client, Socket>();
/** The token that a connection was opened with. */
const shown = new WeakMap<Client, string>();

function socketOf(client: Client, again: () => void): Socket {
  const open = sockets.get(client);
  if (open !== undefined) return open;
  const url = new URL(client.path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = createClient({
    url: url.href,
    // A page that is left open tries for as long as it lives, at most every few seconds.
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (tries) => new Promise((resume) => setTimeout(resume, Math.min(500 * 2 ** tries, 5_000))),
    shouldRetry: () => client.session.who !== null,
    keepAlive: 10_000,
    connectionParams: async () => {
      const token = (await freshToken(client.session)) ?? "";
      shown.set(client, token);
      return { authorization: `Bearer ${token}`, acceptLanguage: language.value };
    },
    on: {
      connected: (_, __, wasRetry) => {
        isLost.value = false;
        if (wasRetry) again();
      },
      closed: (event) => {
        // 1000 is our own good-bye, when nothing on the page listens any more.
        isLost.value = client.session.who !== null && (event as CloseEvent).code !== 1000;
      },
    },
  });
  sockets.set(client, socket);
  return socket;
}

/** Hear of a subscription as long as the component lives. */
export function useLive<Result, Variables>(client: Client, document: Document<Result, Variables>, variables: Variables, heard: (data: Result) => void): void {
  const again = useAnew();
  const socket = socketOf(client, again);
  const payload = { documentId: document.id, query: document.text ?? "", variables: variables as Record<string, unknown> };
  let stop: (() => void) | undefined;
  let pause: ReturnType<typeof setTimeout> | undefined;
  let lastTry = -PAUSE;

  function listen(): void {
    stop = socket.subscribe<Result>(payload, {
      next: ({ data }) => data && heard(data),
      error: (error) => {
        // A subscription that is refused ends for good, and the page works without it, by asking. A connection that is
        // closed for good, as all are whose token has run out, gives way to another.
        if (!Array.isArray(error)) pause = setTimeout(() => void renew(), Math.max(0, lastTry + PAUSE - performance.now()));
      },
      complete: () => undefined,
    });
  }
  async function renew(): Promise<void> {
    lastTry = performance.now();
    await replaceToken(client.session, shown.get(client) ?? "").catch(() => undefined);
    if (client.session.who === null) return;
    listen();
    again();
  }
  function fall(): void {
    clearTimeout(pause);
    stop?.();
  }
  // Nobody listens while nobody is signed in.
  watch(() => client.session.who === null, (isAway) => {
    if (!isAway) return listen();
    fall();
    // Whoever has to sign in is not waiting for a connection.
    isLost.value = false;
  }, { immediate: true });
  onScopeDispose(fall);
}
