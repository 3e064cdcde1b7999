/** Reading anew all that a page shows. One thing to know: what is just being read for the first time was asked for before
 * the act or the news, and TanStack Query would keep that older answer and call it fresh; so it is broken off and asked
 * again. */
import { useQueryClient } from "@tanstack/vue-query";

/** What to call when something has happened. */
export function useAnew(): () => void {
  const queries = useQueryClient();
  return () => void queries.cancelQueries().then(() => queries.invalidateQueries());
}
