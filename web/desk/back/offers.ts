/** Offers as a form has them. One thing to know: what is sent is the whole offer, changed or not; it comes from the
 * version's own `stated`, so whatever the form does not show is sent back as it was. */
import type { DraftOfferMutationVariables, KindsAndModelsQuery } from "../../generated/desk";
import { Refused } from "../../shared/http";
import { isoDay } from "../../shared/format";

export type OfferGiven = DraftOfferMutationVariables["input"];
export type Kind = KindsAndModelsQuery["benefitKinds"][number];
export type Term = Kind["terms"][number];
/** The terms of one kind, by their names in its input. */
export type Terms = Record<string, string | number | boolean | string[] | null>;

export const EFFECTS = ["fee-reduction", "fee-waiver", "deposit-waiver", "deferred-payment", "papers-later", "separate-lane", "extra-capacity", "extra", "voucher", "gift", "longer-term", "publicity", "tie-break", "bonus-points", "fewer-inspections", "advice"];

/** Fields of an offer that the form has, by their names in the input, and the words that it has for each. */
export const FIELDS = {
  kind: "offers.kind", title: "offers.name", standardService: "offers.standardService", benefit: "offers.benefit", effects: "offers.effects",
  model: "offers.model", threshold: "offers.threshold", measure: "offers.measure", payer: "offers.payer", budget: "offers.budget",
  quota: "offers.quota", limitPerPerson: "offers.limitPerPerson", opensOn: "offers.opensOn", closesOn: "offers.closesOn", limits: "offers.limits",
  budgetFen: "offers.budgetFen", mostFen: "offers.mostFen", alsoOpenTo: "offers.alsoOpenTo", districts: "offers.districts", exclusiveGroup: "offers.exclusiveGroup",
  priority: "offers.priority", notice: "offers.notice", reason: "back.reason",
} as const;
export type Field = keyof typeof FIELDS;

export interface Refusal { rule: string; message: string; source: string }

/** What the guard or the form of an offer refused, rule by rule. */
export class OfferRefused extends Refused {
  constructor(code: string, message: string, readonly refusals: readonly Refusal[]) {
    super(code, message);
  }
}

interface RefusedProblem { __typename: "Problem"; code: string; message: string; refusals?: readonly Refusal[] | null }

/** The offer that an act gave. Throws `OfferRefused`. */
export function taken<Result extends { __typename: string }>(result: Result): Exclude<Result, { __typename: "Problem" }> {
  if (result.__typename === "Problem") {
    const { code, message, refusals } = result as unknown as RefusedProblem;
    throw new OfferRefused(code, message, refusals ?? []);
  }
  return result as Exclude<Result, { __typename: "Problem" }>;
}

/** The field of `OfferDetailsInput` that a kind's terms go into: `elder-care` → `elderCare`. */
export const detailsOf = (kind: string): string => kind.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** An offer of which nothing is stated yet. */
export function blank(partnerId: string): OfferGiven {
  return {
    partnerId, kind: "", model: "", threshold: "", title: "", standardService: "", benefit: "", effects: [],
    baseline: { priceFen: null, depositFen: null, days: null, documents: [], queue: "first-come", sourceTitle: "", sourceClause: "", inForceFrom: isoDay() },
    opensOn: isoDay(7), closesOn: null, payer: "partner", budget: "", quota: null, limitPerPerson: null, measure: "",
    limits: [], alsoOpenTo: [], districts: [], exclusiveGroup: "", priority: 0, budgetFen: null, mostFen: null, notice: "",
    standardLanesUnchanged: false, basicPublicService: false, statutoryRight: false,
  };
}

/** What can be done with an offer where it stands. A revision that waits is what an act is about, if there is one. */
export function actsOf(state: string, revision: string | null | undefined): string[] {
  const waiting = revision ?? state;
  if (waiting === "DRAFT" || waiting === "CHANGES_REQUESTED") return ["change", "submit", "withdraw"];
  if (waiting === "SUBMITTED") return ["change", "withdraw"];
  if (state === "PAUSED") return ["resume", "revise", "close"];
  if (["OPEN", "SCHEDULED", "HELD"].includes(state)) return ["revise", "pause", "close", "baseline"];
  return [];
}
