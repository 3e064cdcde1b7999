/** Kinds of number, with their names. */
import { computed, type ComputedRef } from "vue";
import type { NumberScheme } from "../../generated/operator";
import { useWords } from "./office";

export const SCHEMES: NumberScheme[] = [
  "RESIDENT_ID", "USCC", "RESIDENT_ID_15", "PASSPORT", "HK_MACAO_PERMIT", "TAIWAN_PERMIT", "PERMANENT_RESIDENCE", "ORGANISATION_CODE", "REGISTRATION_NUMBER", "TAX_NUMBER",
];

/** To choose from. */
export function useSchemes(): ComputedRef<{ value: string; label: string }[]> {
  const word = useWords();
  return computed(() => SCHEMES.map((value) => ({ value, label: word("scheme", value) })));
}
