/** Lists that a view needs whole: all pages of a connection, one after the other. */
import { useQuery, type UseQueryReturnType } from "@tanstack/vue-query";
import { toValue, type MaybeRefOrGetter } from "vue";
import type { Document } from "../../shared/graphql";
import { useClient } from "../../shared/page";

const PAGE = 100;
const MOST = 20;

interface Connection<Node> {
  edges: { node: Node }[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

/** All nodes, up to two thousand. */
export function useEvery<Result, Variables extends { first?: number | null; after?: string | null }, Node>(
  document: Document<Result, Variables>,
  variables: MaybeRefOrGetter<Variables>,
  pick: (data: Result) => Connection<Node>,
): UseQueryReturnType<Node[], Error> {
  const client = useClient();
  return useQuery({
    queryKey: [document.id, client.path, "every", variables],
    queryFn: async () => {
      const found: Node[] = [];
      let after: string | null = null;
      for (let page = 0; page < MOST; page += 1) {
        const { edges, pageInfo }: Connection<Node> = pick(await client.ask(document, { ...toValue(variables), first: PAGE, after }));
        found.push(...edges.map((edge) => edge.node));
        if (!pageInfo.hasNextPage) break;
        after = pageInfo.endCursor ?? null;
      }
      return found;
    },
  }) as UseQueryReturnType<Node[], Error>;
}
