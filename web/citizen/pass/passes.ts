/** Passes in this phone: kept with their keys, and shown without any network. One thing to know: each pass has a key of
 * its own, made for the day, so that no partner can tell from it who came yesterday; it is kept before the pass is asked
 * for, because a pass is given once a day and an answer may be lost. */
import { useDocumentVisibility, useIntervalFn } from "@vueuse/core";
import { computed, ref, shallowRef, watch, type Ref } from "vue";
import { IssuePass } from "../../generated/citizen";
import { useAnew } from "../../shared/anew";
import { day } from "../../shared/format";
import { good } from "../../shared/graphql";
import { Kept } from "../../shared/kept";
import { bytesOf, joined, newKey, OF_CODE, sign, textOf } from "../../shared/offline";
import { useClient } from "../../shared/page";
import { nameOf } from "../../shared/session";

/** Milliseconds for which one code is on the screen; a gate takes it for a minute. */
const RHYTHM = 30_000;
/** A clock that is wrong by less is taken to be right: an answer takes time as well. */
const WRONG_CLOCK = 5_000;

export interface Place { id: string; title: string; partner: { name: string } }
interface Draft { key: CryptoKey; publicKey: string; madeAt: number }
export interface Pass extends Draft {
  offer: Place;
  text: string;
  notBefore: string;
  expiresAt: string;
  /** Milliseconds by which this phone's clock is behind. */
  behind: number;
}

const kept = new Kept("xinyi-citizen");

/** What the phone shows of a pass at an instant of the server's clock, in milliseconds. */
export async function show({ text, key }: Pick<Pass, "text" | "key">, at: number): Promise<string> {
  const instant = new DataView(new ArrayBuffer(4));
  instant.setUint32(0, Math.floor(at / 1000));
  const signed = joined(bytesOf(text)!, new Uint8Array(instant.buffer));
  return textOf(joined(signed, await sign(key, joined(OF_CODE, signed))));
}

/** The passes of whoever is signed in, and taking and putting away one. */
export function usePasses() {
  const client = useClient();
  const anew = useAnew();
  const owner = nameOf(client.session.owner);
  const passes = shallowRef<Pass[]>([]);
  const start = `pass/${owner}/`;
  const nameFor = (offerId: string) => `${start}${offerId}`;
  const holds = (pass: Draft | Pass): pass is Pass => "expiresAt" in pass && Date.parse(pass.expiresAt) > Date.now() + pass.behind;

  async function look(): Promise<void> {
    if (owner === undefined) return;
    passes.value = (await kept.all<Draft | Pass>(start)).filter(holds);
  }
  /** Today's pass of an offer. Throws `Refused` or `Unreachable`. */
  async function take({ id, title, partner }: Place): Promise<void> {
    const found = await kept.get<Draft | Pass>(nameFor(id));
    const { key, publicKey, madeAt } = found !== undefined && day(new Date(found.madeAt).toISOString()) === day(new Date().toISOString()) ? found : { ...(await newKey()), madeAt: Date.now() };
    await kept.change({ put: [[nameFor(id), { key, publicKey, madeAt }]] });
    const answer = await client.ask(IssuePass, { input: { offerId: id, deviceKey: publicKey } });
    const { text, notBefore, expiresAt, serverTime } = good(answer.issueOfflinePass);
    const behind = Date.parse(serverTime) - Date.now();
    const pass: Pass = { key, publicKey, madeAt, offer: { id, title, partner: { name: partner.name } }, text, notBefore, expiresAt, behind: Math.abs(behind) < WRONG_CLOCK ? 0 : behind };
    await kept.change({ put: [[nameFor(id), pass]] });
    await look();
    anew();
  }
  async function drop(offerId: string): Promise<void> {
    await kept.change({ drop: [nameFor(offerId)] });
    await look();
  }
  // A browser that keeps nothing has no pass to show, and says so when one is taken.
  look().catch(() => undefined);
  // What has run out is of no use to anybody.
  useIntervalFn(() => passes.value.every(holds) || void look(), 5_000);
  return { owner, passes, take, drop };
}

/** What is on the screen of a pass, signed anew again and again while somebody looks. */
export function useShown(pass: Ref<Pass>) {
  const code = ref("");
  const now = ref(Date.now());
  const until = ref(0);
  const visibility = useDocumentVisibility();
  const left = computed(() => Math.max(0, Math.min(1, (until.value - now.value) / RHYTHM)));
  const seconds = computed(() => Math.ceil(left.value * (RHYTHM / 1000)));
  async function step(): Promise<void> {
    now.value = Date.now();
    if (visibility.value === "hidden" || (now.value < until.value && until.value <= now.value + RHYTHM)) return;
    until.value = now.value + RHYTHM;
    code.value = await show(pass.value, now.value + pass.value.behind);
  }
  useIntervalFn(() => void step(), 500, { immediateCallback: true });
  watch([pass, visibility], () => {
    until.value = 0;
    void step();
  });
  return { code, left, seconds };
}
