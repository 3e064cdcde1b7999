/** An act that is carried through. One thing to know: a lost connection does not say whether the server had heard, so the
 * same request goes out again, with the same `requestId`, until it is answered; the server does it once. */
import { useMutation, type UseMutationReturnType } from "@tanstack/vue-query";
import { computed, type ComputedRef } from "vue";
import { useAnew } from "../../shared/anew";
import { type Document } from "../../shared/graphql";
import { Refused, Unreachable } from "../../shared/http";
import { useClient } from "../../shared/page";

const LONGEST_WAIT = 4_000;
const TRIES_WHILE_UNAVAILABLE = 3;

export type Sure<Taken, Variables> = UseMutationReturnType<Taken, Error, Variables, unknown> & {
  /** The connection is lost, and the request goes out again by itself. */
  isLost: ComputedRef<boolean>;
};

/** Like `useAct`, for inputs that carry a `requestId`. */
export function useSure<Result, Variables, Taken>(document: Document<Result, Variables>, take: (data: Result) => Taken): Sure<Taken, Variables> {
  const client = useClient();
  const act = useMutation<Taken, Error, Variables>({
    mutationFn: async (variables) => take(await client.ask(document, variables)),
    retry: (times, error) =>
      error instanceof Unreachable || (error instanceof Refused && error.code === "UNAVAILABLE" && times < TRIES_WHILE_UNAVAILABLE),
    retryDelay: (times) => Math.min(500 * 2 ** times, LONGEST_WAIT),
    networkMode: "always",
    onSuccess: useAnew(),
  });
  const isLost = computed(() => act.isPending.value && act.failureReason.value instanceof Unreachable);
  return Object.assign(act, { isLost });
}

/** The id of one request, the same for all its repetitions. */
export const newRequest = (): string => crypto.randomUUID();

/** 分 as somebody would type it in 元. */
export const typed = (fen: number): string => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;
