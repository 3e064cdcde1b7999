/** Hearing that one's code was scanned. One thing to know: whatever happened while the connection was away is looked for in
 * the log, so no scan is missed. */
import { useDocumentVisibility } from "@vueuse/core";
import { ref, watch, type Ref } from "vue";
import { LatestScans, Scanned, type ScanFragment } from "../../generated/citizen";
import type { Client } from "../../shared/graphql";
import { isLost, useLive } from "../../shared/live";
import type { Shown } from "./renewing";

const SCAN = "verifyCreditCode";

/** The last scan; `since` is the code that is, or was last, on the screen. Set it to null when it has been read. */
export function useScans(client: Client, since: () => Shown | null): Ref<ScanFragment | null> {
  const scan = ref<ScanFragment | null>(null);
  let heardUpTo = "";

  function hear(event: ScanFragment): void {
    if (event.action !== SCAN || event.at <= heardUpTo) return;
    heardUpTo = event.at;
    scan.value = event;
  }

  async function lookBack(): Promise<void> {
    const code = since();
    if (code === null) return;
    const { me } = await client.ask(LatestScans, {});
    const [latest] = me.accessLog.edges.map((edge) => edge.node).filter((event) => event.action === SCAN);
    if (latest !== undefined && Date.parse(latest.at) >= code.issuedAt) hear(latest);
  }

  useLive(client, Scanned, {}, (data) => hear(data.codeScanned));
  const visibility = useDocumentVisibility();
  watch([isLost, visibility], () => {
    // Where this fails too, the next connection asks again.
    if (!isLost.value && visibility.value === "visible") lookBack().catch(() => undefined);
  });
  return scan;
}
