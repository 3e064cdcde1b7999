/** Who works here, and how the codes of the server are called. One thing to know: what a role may not do is not shown, but
 * it is the server that refuses it. */
import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";
import { CatalogueItems, ServedPlaces, type CatalogueItemsQuery } from "../../generated/operator";
import { useAsk } from "../../shared/page";
import { useAccount, type Account } from "../account";

export type Item = CatalogueItemsQuery["catalogueItems"][number];

/** Whether whoever is signed in is one of these. */
export function useIs(...accounts: Account[]): ComputedRef<boolean> {
  const account = useAccount();
  return computed(() => account.value !== undefined && accounts.includes(account.value));
}

/** A code in words, where there are some; `word("kind", "OBJECTION")`. */
export function useWords(): (group: string, code: string | null | undefined) => string {
  const { t, te } = useI18n();
  return (group, code) => {
    if (!code) return "—";
    const key = `casework.${group}.${code.replaceAll(".", "_")}`;
    return te(key) || te(key, "zh-CN") ? t(key) : code;
  };
}

/** The places that are served, and the name of each. */
export function usePlaces(): { places: ComputedRef<{ value: string; label: string }[]>; nameOf: (code: string) => string } {
  const query = useAsk(ServedPlaces, {});
  const places = computed(() => (query.data.value?.servedPlaces ?? []).map(({ code, name }) => ({ value: code, label: name })));
  return { places, nameOf: (code) => places.value.find(({ value }) => value === code)?.label ?? code };
}

/** The catalogue of a place (the first served, while none is named), and the name of each item. */
export function useItems(place: () => string | null = () => null): { items: ComputedRef<Item[]>; nameOf: (code: string) => string } {
  const query = useAsk(CatalogueItems, computed(() => ({ place: place() || null })));
  const items = computed(() => query.data.value?.catalogueItems ?? []);
  return { items, nameOf: (code) => items.value.find((item) => item.code === code)?.label ?? code };
}

/** Fields of a record that are shown as what they mean, so not once more. */
const SAID = ["document-number", "authority", "decided-on", "provider"];
export const besides = <Field extends { id: string }>(fields: Field[]): Field[] => fields.filter(({ id }) => !SAID.includes(id));

/** What a text says as JSON, or nothing where it is none. */
export function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
