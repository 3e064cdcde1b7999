/** How every page begins. One thing to know: what is asked for is kept by TanStack Query, which asks again by itself when
 * the network is back, when the page is looked at again, and after every act. */
import { QueryClient, useMutation, useQuery, useQueryClient, VueQueryPlugin, type UseMutationReturnType, type UseQueryReturnType } from "@tanstack/vue-query";
import { createApp, inject, toValue, watch, type Component, type InjectionKey, type MaybeRefOrGetter } from "vue";
import { createRouter, createWebHashHistory, type RouteRecordRaw } from "vue-router";
import { useAnew } from "./anew";
import { Client, type Document } from "./graphql";
import { Refused, Unreachable } from "./http";
import { createWords } from "./language";
import { isIncomplete } from "./live";
import { nameOf, openSession, takeCode, type Session } from "./session";
import "./look.css";

export const CLIENT: InjectionKey<Client> = Symbol("client");

interface Page {
  name: string;
  root: Component;
  routes: RouteRecordRaw[];
  words: Parameters<typeof createWords>[0];
  /** How long a sign-in outlives the page. */
  store?: Storage;
}

/** Mount a page on `#page`. */
export function openPage({ name, root, routes, words, store = sessionStorage }: Page): Session {
  const session = openSession(name, store);
  session.code = takeCode();
  const queries = new QueryClient({
    defaultOptions: {
      queries: { retry: (times, error) => error instanceof Unreachable && times < 3, staleTime: 5_000 },
      mutations: { retry: false, networkMode: "always" },
    },
  });
  const router = createRouter({ history: createWebHashHistory(), routes });
  // A part of the page that does not come: the network, or a server with other parts by now.
  addEventListener("vite:preloadError", () => (isIncomplete.value = true));
  router.afterEach(() => document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true }));
  createApp(root)
    .use(createWords(words))
    .use(VueQueryPlugin, { queryClient: queries })
    .use(router)
    .provide(CLIENT, new Client(session))
    .mount("#page");
  return session;
}

/** The door to the server that this page asks through. */
export function useClient(): Client {
  const client = inject(CLIENT);
  if (client === undefined) throw new Error("outside a page");
  return client;
}

/** For what leaves a row on a log when it is read: it is read when it is opened and after an act, and never by itself. */
export const TRACED = { staleTime: Infinity, gcTime: 0 };

/** Keeps what is read to whose it is: all of it goes with them, and is read anew when they are back. */
export function useOwner(session: Session): void {
  const queries = useQueryClient();
  watch(() => nameOf(session.owner), () => queries.clear(), { flush: "sync" });
  watch(() => session.who === null, (isAway) => {
    // What opens outside of the page's frame, such as a dialog, is kept out of sight by this.
    document.documentElement.classList.toggle("away", isAway);
    if (!isAway) void queries.invalidateQueries();
  });
}

/** Ask for data, anew whenever `variables` change. */
export function useAsk<Result, Variables>(document: Document<Result, Variables>, variables: MaybeRefOrGetter<Variables>, options: { enabled?: MaybeRefOrGetter<boolean>; refetchInterval?: number; traced?: boolean } = {}): UseQueryReturnType<Result, Error> {
  const client = useClient();
  return useQuery({
    queryKey: [document.id, client.path, variables],
    queryFn: () => client.ask(document, toValue(variables)),
    enabled: options.enabled,
    refetchInterval: options.refetchInterval,
    ...(options.traced && TRACED),
  }) as UseQueryReturnType<Result, Error>;
}

/** Do something; afterwards all that the page shows is read anew. `take` makes of the answer what the caller wants,
 * usually `(data) => good(data.field)`, which throws a problem. */
export function useAct<Result, Variables, Taken>(document: Document<Result, Variables>, take: (data: Result) => Taken): UseMutationReturnType<Taken, Error, Variables, unknown> {
  const client = useClient();
  const anew = useAnew();
  return useMutation({
    mutationFn: async (variables: Variables) => take(await client.ask(document, variables)),
    // Where the answer was lost, what the page shows next says whether it was done.
    onSettled: (_, error) => {
      if (error === null || (error instanceof Unreachable && error.isUnsure)) anew();
    },
  });
}

/** An error as a sentence for people. */
export function sentence(error: unknown, t: (key: string) => string): string {
  if (error instanceof Refused) return error.code === "DOCUMENT_NOT_FOUND" ? t("state.renewed") : error.message;
  if (error instanceof Unreachable) return t(error.isUnsure ? "state.unsure" : "state.unreachable");
  // A fault of the page says nothing to people.
  return error instanceof Error && error.constructor === Error ? error.message : t("state.broken");
}
