/** A credit code that is always fresh. One thing to know: the device's clock is not trusted; a code's life is counted from
 * its arrival, and where the clock is off it is taken to be shorter than it is. */
import { useDocumentVisibility, useIntervalFn, useOnline } from "@vueuse/core";
import { computed, readonly, ref, shallowRef, toValue, watch, type MaybeRefOrGetter, type Ref } from "vue";
import { ShowCode } from "../../generated/citizen";
import { good, type Client } from "../../shared/graphql";
import { Refused, Unreachable } from "../../shared/http";

const LIFE = 60_000;
/** So long before its end a code gives way to the next: time enough for a scan that has begun. */
const BEFORE_END = 6_000;
const CAREFUL = 45_000;
/** Refusals that pass by themselves. */
const PASSING = ["UNAVAILABLE", "THROTTLED", "INTERNAL_SERVER_ERROR"];

export interface Shown {
  readonly token: string;
  /** By the server's clock, for comparison with its log. */
  readonly issuedAt: number;
  /** By this device's clock. */
  readonly until: number;
}

export interface CreditCode {
  /** Null while there is none that still counts. */
  code: Readonly<Ref<Shown | null>>;
  /** Share of the life that is left, 0 … 1. */
  left: Readonly<Ref<number>>;
  /** Seconds until the next one. */
  seconds: Readonly<Ref<number>>;
  error: Readonly<Ref<unknown>>;
  /** Whether it tries again without being asked. */
  isHealing: Readonly<Ref<boolean>>;
  /** Drop the code that is shown and get another now. */
  renew: () => void;
}

/** Codes, one after the other, as long as the page is looked at and `isPaused` is false. */
export function useCreditCode(client: Client, offerId: MaybeRefOrGetter<string | null>, isPaused: MaybeRefOrGetter<boolean>): CreditCode {
  const held = shallowRef<Shown | null>(null);
  const error = ref<unknown>(null);
  const now = ref(Date.now());
  const visibility = useDocumentVisibility();
  const isOnline = useOnline();
  let turn = 0;
  let isAsking = false;
  let failures = 0;
  let notBefore = 0;

  const code = computed(() => (held.value !== null && held.value.until > now.value ? held.value : null));
  const left = computed(() => (code.value === null ? 0 : Math.min(1, (code.value.until - now.value) / LIFE)));
  const seconds = computed(() => Math.max(0, Math.round((left.value * LIFE - BEFORE_END) / 1000)));
  const isHealing = computed(() => error.value !== null && !isFinal(error.value));

  function step(): void {
    now.value = Date.now();
    if (visibility.value === "hidden" || toValue(isPaused) || isAsking || now.value < notBefore) return;
    if (error.value !== null && !isHealing.value) return;
    if (held.value === null || held.value.until - BEFORE_END <= now.value) void ask();
  }

  async function ask(): Promise<void> {
    const mine = ++turn;
    isAsking = true;
    try {
      const answer = await client.ask(ShowCode, { input: { offerId: toValue(offerId) } });
      if (mine !== turn) return;
      const { token, expiresAt } = good(answer.issueCreditCode);
      const end = Date.parse(expiresAt);
      const promised = end - Date.now();
      const life = promised > CAREFUL - 5_000 && promised <= LIFE ? promised : CAREFUL;
      held.value = { token, issuedAt: end - LIFE, until: Date.now() + life };
      error.value = null;
      failures = 0;
    } catch (caught) {
      if (mine !== turn) return;
      // A code that did not arrive is no loss: there is another.
      error.value = caught instanceof Unreachable ? new Unreachable(caught.message) : caught;
      failures += 1;
      const seconds = caught instanceof Refused ? caught.retryAfter : undefined;
      notBefore = Date.now() + (seconds !== undefined ? seconds * 1000 : Math.min(500 * 2 ** failures, 5_000));
    } finally {
      if (mine === turn) isAsking = false;
    }
    now.value = Date.now();
  }

  function renew(): void {
    turn += 1;
    isAsking = false;
    held.value = null;
    error.value = null;
    failures = 0;
    notBefore = 0;
    step();
  }

  useIntervalFn(step, 500, { immediateCallback: true });
  watch([visibility, isOnline], () => {
    notBefore = 0;
    step();
  });
  watch(() => toValue(offerId), renew);
  return { code, left, seconds, error: readonly(error), isHealing, renew };
}

const isFinal = (error: unknown): boolean => error instanceof Refused && !PASSING.includes(error.code);
