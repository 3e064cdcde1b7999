/** Who is on duty at this desk. One thing to know: the names of a gate and of whoever is on duty are the partner's own
 * labels, and go with every scan; they and the offer last chosen are all that the desk remembers. */
import { computed, reactive, watch, type ComputedRef } from "vue";
import { Duty, type DutyQuery } from "../generated/desk";
import { useAsk, useClient } from "../shared/page";
import { inSandbox } from "./mode";

export type Account = "PARTNER" | "REPRESENTATIVE" | "APPLICANT";
export type CounterOffer = DutyQuery["partner"]["offers"]["edges"][number]["node"];
const KEY = "xinyi-desk-duty";

interface OnDuty { site: string; clerk: string; offerId: string }
const NOBODY: OnDuty = { site: "", clerk: "", offerId: "" };

function read(): OnDuty {
  try {
    return { ...NOBODY, ...(JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<OnDuty>) };
  } catch {
    return { ...NOBODY };
  }
}

/** What goes with every scan; for as long as the window is open. */
export const onDuty = reactive(read());
watch(onDuty, () => sessionStorage.setItem(KEY, JSON.stringify(onDuty)));
export const goOffDuty = () => Object.assign(onDuty, NOBODY);

/** The sort of account at the desk: keys of the sandbox are a partner's. */
export function useAccount(): ComputedRef<Account | undefined> {
  const { session } = useClient();
  return computed(() => (inSandbox.value ? "PARTNER" : (session.owner?.account as Account | undefined)));
}

/** The partner with its open offers and labels; asked for where there is a counter. */
export function useDuty() {
  const account = useAccount();
  return useAsk(Duty, {}, { enabled: computed(() => account.value === "PARTNER") });
}
