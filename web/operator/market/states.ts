/** How states read and look. One thing to know: a colour says who has to do something, never that anybody is bad. */
import type { OfferState, PartnerStatus } from "../../generated/operator";

type Look = "success" | "warning" | "info" | "primary";
export const OFFER_STATES: OfferState[] = ["SUBMITTED", "CHANGES_REQUESTED", "DRAFT", "SCHEDULED", "OPEN", "HELD", "PAUSED", "CLOSED", "WITHDRAWN"];
export const STAGES: PartnerStatus[] = ["DRAFT", "SUBMITTED", "QUALIFIED", "CONTRACTED", "SANDBOX", "CERTIFIED", "LIVE", "SUSPENDED", "OFFBOARDED"];
const WAITING = new Set<string>(["SUBMITTED", "CHANGES_REQUESTED", "HELD", "WAITING", "SUSPENDED"]);
const GIVEN = new Set<string>(["OPEN", "LIVE"]);
const ON_THE_WAY = new Set<string>(["SCHEDULED", "QUALIFIED", "CONTRACTED", "SANDBOX", "CERTIFIED"]);

/** The colour of a state's tag. */
export function lookOf(state: string): Look {
  if (GIVEN.has(state)) return "success";
  if (WAITING.has(state)) return "warning";
  return ON_THE_WAY.has(state) ? "primary" : "info";
}

export interface Step {
  to: PartnerStatus;
  by: ("OPERATOR" | "REVIEWER")[];
  needsReason?: boolean;
}
const LEAVE: Step = { to: "OFFBOARDED", by: ["OPERATOR", "REVIEWER"], needsReason: true };
/** Which steps a partner can take from where, and whose they are; the server has the last word (docs/joining.md). */
export const STEPS: Record<PartnerStatus, Step[]> = {
  DRAFT: [{ to: "SUBMITTED", by: ["OPERATOR"] }],
  SUBMITTED: [{ to: "QUALIFIED", by: ["OPERATOR"] }, { to: "DRAFT", by: ["OPERATOR"], needsReason: true }, LEAVE],
  QUALIFIED: [{ to: "CONTRACTED", by: ["REVIEWER"] }, LEAVE],
  CONTRACTED: [{ to: "SANDBOX", by: ["OPERATOR"] }, LEAVE],
  SANDBOX: [{ to: "CERTIFIED", by: ["REVIEWER"] }, LEAVE],
  CERTIFIED: [{ to: "LIVE", by: ["OPERATOR"] }, LEAVE],
  LIVE: [{ to: "SUSPENDED", by: ["OPERATOR", "REVIEWER"], needsReason: true }, LEAVE],
  SUSPENDED: [{ to: "LIVE", by: ["OPERATOR", "REVIEWER"], needsReason: true }, LEAVE],
  OFFBOARDED: [],
};
