/** What can be done with a version next. One thing to know: this only says what is worth offering; the server decides. */
import { computed, type ComputedRef } from "vue";
import { PublishModel, RetireModel, ReviewModel, RollBackModel, ShadowModel, SignDisparity, SimulateModel, type ModelState } from "../../generated/operator";
import { good } from "../../shared/graphql";
import { useAct } from "../../shared/page";

export type Act = "simulate" | "review" | "sign" | "shadow" | "publish" | "rollBack" | "retire";

/** By state: the step that leads on first. Drafting anew is a view of its own. */
const NEXT: Record<ModelState, Act[]> = {
  DRAFT: ["simulate", "retire"],
  SIMULATED: ["review", "simulate", "retire"],
  REVIEWED: ["shadow", "simulate", "retire"],
  SHADOW: ["publish", "shadow", "retire"],
  PUBLISHED: ["rollBack", "retire"],
  RETIRED: [],
};
/** Characters that a reason must have. */
export const REASON: Record<Act, number> = { simulate: 0, review: 0, sign: 20, shadow: 0, publish: 0, rollBack: 1, retire: 0 };
/** Acts that the server works at for a while. */
export const LONG: Act[] = ["simulate", "shadow"];

/** The acts worth offering, the one that leads on first; signing leads on where nobody may publish before it. */
export function actsOf(state: ModelState, unsigned: string[]): Act[] {
  const next = NEXT[state];
  if (!unsigned.length || state === "PUBLISHED" || state === "RETIRED") return next;
  return state === "SHADOW" ? ["sign", ...next] : [...next.slice(0, 1), "sign", ...next.slice(1)];
}

export interface Given { model: string; version: string; reason: string; inForceFrom: string | null }
interface Doing { isBusy: boolean; error: Error | null }

/** All acts as one: `run` does it, `reset` forgets the last error. */
export function useActs(): { doing: ComputedRef<Doing>; run: (act: Act, given: Given) => Promise<unknown>; reset: () => void } {
  const simulate = useAct(SimulateModel, (data) => good(data.simulateScoreModel));
  const review = useAct(ReviewModel, (data) => good(data.reviewScoreModel));
  const sign = useAct(SignDisparity, (data) => good(data.signDisparity));
  const shadow = useAct(ShadowModel, (data) => good(data.shadowScoreModel));
  const publish = useAct(PublishModel, (data) => good(data.publishScoreModel));
  const rollBack = useAct(RollBackModel, (data) => good(data.rollBackScoreModel));
  const retire = useAct(RetireModel, (data) => good(data.retireScoreModel));
  const all = [simulate, review, sign, shadow, publish, rollBack, retire];
  const doing = computed(() => ({ isBusy: all.some((one) => one.isPending.value), error: all.map((one) => one.error.value).find(Boolean) ?? null }));
  const reset = () => all.forEach((one) => one.reset());

  function run(act: Act, { model, version, reason, inForceFrom }: Given): Promise<unknown> {
    reset();
    const input = { model, version, reason };
    if (act === "publish") return publish.mutateAsync({ input: { ...input, inForceFrom } });
    if (act === "rollBack") return rollBack.mutateAsync({ input: { model, reason } });
    return { simulate, review, sign, shadow, retire }[act].mutateAsync({ input });
  }
  return { doing, run, reset };
}
