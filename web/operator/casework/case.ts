/** What may be done with a case, by its kind and where it stands. One thing to know: the server decides anew by the same
 * table; here it only chooses which buttons there are. */
import type { WholeCaseFragment } from "../../generated/operator";

export type Case = WholeCaseFragment;
export type Act = "decide" | "help" | "answer" | "pause" | "resume";
export type Outcome = "UPHELD" | "PARTLY" | "REJECTED" | "GRANTED" | "REFUSED";

/** The acts that are open to an officer. */
export function actsOf(one: Case): Act[] {
  if (one.state === "PAUSED") return ["resume"];
  if (one.state === "HELP") return ["decide", "answer"];
  if (one.state !== "OPEN") return [];
  if (one.kind === "OBJECTION") return ["decide", "help", "pause"];
  return one.kind === "APPEAL" ? ["decide", "pause"] : ["decide"];
}

/** How it can be decided. */
export const outcomesOf = (one: Case): Outcome[] => (one.kind === "REPAIR" ? ["GRANTED", "REFUSED"] : ["UPHELD", "PARTLY", "REJECTED"]);

/** What has to be said besides the outcome: what is right of a record, or of a result. */
export function correctionOf(one: Case, outcome: Outcome | ""): "record" | "result" | null {
  const isRepair = one.kind === "REPAIR" || (one.kind === "APPEAL" && one.ground === "repair");
  if (isRepair || (outcome !== "UPHELD" && outcome !== "PARTLY")) return null;
  if (one.recordId !== null) return "record";
  return one.model !== null ? "result" : null;
}
