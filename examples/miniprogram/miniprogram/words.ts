/** Times and outcomes as people read them. One thing to know: times are those of Asia/Shanghai, wherever the phone is. */
const SHANGHAI = 8 * 3_600_000;
const two = (number: number) => String(number).padStart(2, "0");

/** `2026-11-22 08:05`. */
export function instant(at: string): string {
  const time = new Date(Date.parse(at) + SHANGHAI);
  return `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())} ${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;
}

/** What was answered. */
export function outcomeOf(outcome: string | null | undefined): string {
  if (outcome === "BENEFIT_APPLIES") return "享受优惠";
  return outcome === "STANDARD_SERVICE" ? "按标准服务办理" : "没有办成";
}

/** Points without zeros that say nothing: `756.00` is `756`. */
export const plain = (points: string): string => (points.includes(".") ? points.replace(/\.?0+$/, "") : points);
