/** Names of the places and kinds that are served here, for all views of this page. */
import { computed, type ComputedRef } from "vue";
import { Places } from "../../generated/open";
import { useAsk } from "../../shared/page";

interface Named {
  code: string;
  name: string;
}
interface Names {
  places: ComputedRef<Named[]>;
  kinds: ComputedRef<Named[]>;
  /** The name of a place or a kind; its code while it is not known. */
  nameOf: (code: string) => string;
}

export function useNames(): Names {
  const { data } = useAsk(Places, {});
  const places = computed(() => data.value?.servedPlaces ?? []);
  const kinds = computed(() => data.value?.benefitKinds ?? []);
  const names = computed(() => new Map([...places.value, ...kinds.value].map(({ code, name }) => [code, name])));
  return { places, kinds, nameOf: (code) => names.value.get(code) ?? code };
}
