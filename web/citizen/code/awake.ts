/** A screen that stays lit while a code is shown: one that goes dark in the queue is no use. Where the device has no such
 * lock, it is as it was. */
import { useWakeLock } from "@vueuse/core";
import { onBeforeUnmount, onMounted } from "vue";

/** Keep the screen lit for as long as the component lives. */
export function useAwake(): void {
  const wake = useWakeLock();
  onMounted(() => void wake.request("screen").catch(() => undefined));
  onBeforeUnmount(() => void wake.release().catch(() => undefined));
}
