/** What the server tells by itself. One thing to know: a connection that is lost is made again, and then everything on the
 * page is read anew, since what happened in between is not told twice. */
import { useQueryClient } from "@tanstack/vue-query";
import { createClient, type Client as Socket } from "graphql-ws";
import { onScopeDispose, ref } from "vue";
import type { Client, Document } from "./graphql";
import { language } from "./language";
import { freshToken } from "./session";

/** Whether the page has lost its live connection; false while it never had one. */
export const isLost = ref(false);
const sockets = new WeakMap<Client, Socket>();

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
    connectionParams: async () => ({ authorization: `Bearer ${await freshToken(client.session)}`, acceptLanguage: language.value }),
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
  const queries = useQueryClient();
  const socket = socketOf(client, () => void queries.invalidateQueries());
  const payload = { documentId: document.id, query: document.text ?? "", variables: variables as Record<string, unknown> };
  const stop = socket.subscribe<Result>(payload, {
    next: ({ data }) => data && heard(data),
    // What ends for good was refused; the page works without it, by asking.
    error: () => undefined,
    complete: () => undefined,
  });
  onScopeDispose(stop);
}
