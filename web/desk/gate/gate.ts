/** A gate in this browser: its key, what it fetched, and what it took. One thing to know: a use is on the disk before
 * anybody is let through, and tabs of this page take turns, so no pass is taken twice and no counter used twice. */
import { computed, ref, shallowRef } from "vue";
import { FetchBundle, RegisterGate, SyncUses } from "../../generated/desk";
import { publishedKeys, type PublishedKeys } from "../../shared/checking";
import { good, type Client } from "../../shared/graphql";
import { Refused } from "../../shared/http";
import { Kept } from "../../shared/kept";
import { bilingual } from "../../shared/language";
import { newKey } from "../../shared/offline";
import { nameOf } from "../../shared/session";
import { isFresh, judge, openBundle, signUse, type Bundle, type Judged } from "./protocol";

/** Uses in one batch of a sync. */
const MOST = 50;
/** Milliseconds after which a synced use is forgotten: its pass has run out, and nobody asks for it again. */
const KEPT = 8 * 24 * 3600_000;
/** Milliseconds after which a bundle is fetched anew when there is a network. */
const OLD = 3600_000;

export interface KeptGate {
  id: string;
  site: string;
  /** By which account it was registered here. */
  owner: string;
  key: CryptoKey;
  counter: number;
  bundle?: { text: string; keys: PublishedKeys };
}
export interface KeptUse {
  counter: number;
  passId: string;
  /** Milliseconds. */
  at: number;
  title: string;
  use: string;
  /** What the sync answered. */
  synced?: { accepted: boolean; problem?: string | null; message?: string | null };
}

const kept = new Kept("xinyi-gates");
const nameOfGate = (id: string) => `gate/${id}`;
const nameOfUse = (id: string, counter: number) => `use/${id}/${String(counter).padStart(10, "0")}`;

/** Register this browser as a gate, by a key that never leaves it. Throws `Refused` or `Unreachable`. */
export async function registerHere(client: Client, site: string): Promise<KeptGate> {
  const { key, publicKey } = await newKey();
  // A browser that is short of room asks before it forgets.
  void navigator.storage?.persist?.().catch(() => undefined);
  const { id } = good((await client.ask(RegisterGate, { input: { site, publicKey } })).registerGate);
  const gate: KeptGate = { id, site, owner: nameOf(client.session.owner) ?? "", key, counter: 0 };
  await kept.change({ put: [[nameOfGate(id), gate]] });
  return gate;
}

export const gatesHere = (): Promise<KeptGate[]> => kept.all<KeptGate>("gate/");

/** Forget a gate that was ended, with its key. Throws `Refused` while there is something to be told. */
export async function forgetGate(id: string): Promise<void> {
  const uses = await kept.all<KeptUse>(`use/${id}/`);
  const waiting = uses.filter(({ synced }) => synced === undefined).length;
  if (waiting) throw new Refused("NOT_SYNCED", bilingual(`这台设备还有 ${waiting} 次使用没有同步,没有删除。请先打开它,联网同步后再删除。`, `${waiting} uses on this device are not synced, so it was not deleted. Open it, sync on line, then delete it.`));
  await kept.change({ drop: [nameOfGate(id), ...uses.map(({ counter }) => nameOfUse(id, counter))] });
}

/** The gate at work. `client` may fetch and sync; null while nobody here may. */
export function useGate(id: string) {
  const uses = shallowRef<KeptUse[]>([]);
  const gate = shallowRef<KeptGate>();
  const bundle = shallowRef<Bundle | null>(null);
  const now = ref(Date.now());
  const isBusy = ref(false);
  const error = shallowRef<unknown>(null);
  const waiting = computed(() => uses.value.filter(({ synced }) => synced === undefined));
  const canJudge = computed(() => bundle.value !== null && isFresh(bundle.value, now.value / 1000));
  const turn = async <Result>(act: () => Promise<Result>): Promise<Result> => (await navigator.locks.request(nameOfGate(id), act)) as Result;

  async function look(): Promise<void> {
    gate.value = await kept.get<KeptGate>(nameOfGate(id));
    uses.value = await kept.all<KeptUse>(`use/${id}/`);
    const held = gate.value?.bundle;
    bundle.value = held ? await openBundle(held.keys, held.text, id) : null;
    now.value = Date.now();
  }
  /** Judge what was shown, and where it is taken write the use down. */
  const take = (code: string): Promise<Judged> =>
    turn(async () => {
      await look();
      const at = Math.floor(Date.now() / 1000);
      const judged = await judge(code, bundle.value, at, (passId) => uses.value.some((use) => use.passId === passId));
      const here = gate.value;
      if (judged.refusal !== null || here === undefined) return judged;
      const counter = here.counter + 1;
      const use = await signUse(here.key, { gate: id, counter, at, code });
      const taken: KeptUse = { counter, passId: judged.passId!, at: at * 1000, title: judged.offer!.title, use };
      await kept.change({ put: [[nameOfGate(id), { ...here, counter }], [nameOfUse(id, counter), taken]] });
      await look();
      return judged;
    });

  const keepBundle = (held: KeptGate["bundle"]) =>
    turn(async () => {
      const here = await kept.get<KeptGate>(nameOfGate(id));
      if (here) await kept.change({ put: [[nameOfGate(id), { ...here, bundle: held }]] });
      await look();
    });
  async function fetchBundle(client: Client): Promise<void> {
    const keys = await publishedKeys();
    const { text } = good((await client.ask(FetchBundle, { input: { gateId: id } })).fetchOfflineBundle);
    if ((await openBundle(keys, text, id)) === null) throw new Refused("BUNDLE_INVALID", bilingual("取到的离线包不是平台签发的,或不是给这台设备的,没有采用。请稍后再取;仍不行请联系平台运营人员。", "The bundle is not signed by the platform, or is not for this device, and was not taken. Fetch it again later; if it fails again, contact the operator."));
    await keepBundle({ text, keys });
  }
  async function sync(client: Client): Promise<void> {
    await look();
    for (let batch = waiting.value.slice(0, MOST); batch.length; batch = waiting.value.slice(0, MOST)) {
      // The same batch has the same id: where its answer was lost, the server says it again.
      const requestId = `${batch[0]!.counter}-${batch.at(-1)!.counter}-${id}`;
      const { uses: answers } = good((await client.ask(SyncUses, { input: { requestId, gateId: id, uses: batch.map(({ use }) => use) } })).syncOfflineUses);
      const told = batch.map((use, at) => ({ ...use, synced: answers[at]! }));
      await kept.change({ put: told.map((use) => [nameOfUse(id, use.counter), use]) });
      await look();
    }
    const old = uses.value.filter((use) => use.synced && use.at < Date.now() - KEPT);
    if (old.length) await kept.change({ drop: old.map(({ counter }) => nameOfUse(id, counter)) });
  }
  /** All that needs a network: first what was done is told, then the list of what has ended is fetched with it on. */
  async function connect(client: Client, isAsked: boolean): Promise<void> {
    if (isBusy.value) return;
    isBusy.value = true;
    error.value = null;
    try {
      const told = waiting.value.length;
      if (told) await sync(client);
      if (isAsked || told || bundle.value === null || Date.now() - bundle.value.iat * 1000 > OLD) await fetchBundle(client);
    } catch (caught) {
      error.value = caught;
      // What a gate takes after its end counts for nobody, so it judges no more.
      if (caught instanceof Refused && caught.code === "GATE_ENDED") await keepBundle(undefined);
    }
    isBusy.value = false;
  }
  return { gate, uses, waiting, bundle, canJudge, now, isBusy, error, look, take, connect };
}
