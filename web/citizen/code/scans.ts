/** Hearing that one's code was scanned. One thing to know: whatever happened while the live connection was away is looked
 * for in the log, so no scan is missed, with or without one. */
import { useDocumentVisibility, useIntervalFn } from "@vueuse/core";
import { watch, type Ref } from "vue";
import { LatestScans, Scanned, type ScanFragment } from "../../generated/citizen";
import type { Client } from "../../shared/graphql";
import { isLost, useLive } from "../../shared/live";
import type { Shown } from "./renewing";

const SCAN = "verifyCreditCode";
/** Milliseconds between two looks into the log, while nothing is told by itself. */
const PACE = 3_000;

/** Tells of each scan of the codes that are shown here, once. */
export function useScans(client: Client, code: Readonly<Ref<Shown | null>>, tell: (event: ScanFragment) => void): void {
  const visibility = useDocumentVisibility();
  /** When the first code came on the screen: what was scanned before is no news. */
  let from = Number.POSITIVE_INFINITY;
  let heardUpTo = "";

  function hear(event: ScanFragment): void {
    if (event.action !== SCAN || event.at <= heardUpTo) return;
    heardUpTo = event.at;
    tell(event);
  }

  async function lookBack(): Promise<void> {
    const { me } = await client.ask(LatestScans, {});
    const latest = me.accessLog.edges.map((edge) => edge.node).find((event) => event.action === SCAN);
    if (latest !== undefined && Date.parse(latest.at) >= from) hear(latest);
  }

  const look = (): void => {
    // Where this fails too, the next look will do.
    if (visibility.value === "visible" && from < Number.POSITIVE_INFINITY) lookBack().catch(() => undefined);
  };
  useLive(client, Scanned, {}, (data) => hear(data.codeScanned));
  watch([isLost, visibility], look);
  useIntervalFn(() => isLost.value && look(), PACE);
  watch(code, (shown) => (from = Math.min(from, shown?.issuedAt ?? from)));
}
