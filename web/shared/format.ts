/** Times in Asia/Shanghai, money in 元 from 分, points to the hundredth. One thing to know: nothing here does arithmetic in
 * floating point; amounts and points come as they were computed. */
import { language } from "./language";

const ZONE = "Asia/Shanghai";

function format(value: string | number | Date, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(language.value, { timeZone: ZONE, ...options }).format(new Date(value));
}

/** `2026/11/22 08:05`. */
export const instant = (at: string): string => format(at, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false });
/** `08:05:09`. */
export const timeOfDay = (at: string): string => format(at, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
/** `2026年11月22日`, of an instant or a day. */
export const day = (at: string): string => format(at.length === 10 ? `${at}T00:00+08:00` : at, { year: "numeric", month: "long", day: "numeric" });
/** Today in Asia/Shanghai as `2026-11-22`, or another day by so many days. */
export const isoDay = (shift = 0): string => new Intl.DateTimeFormat("en-CA", { timeZone: ZONE }).format(Date.now() + shift * 86_400_000);

/** 分 as `1,234.50 元`. */
export function yuan(fen: number | string): string {
  const whole = BigInt(fen);
  const [sign, size] = whole < 0n ? ["-", -whole] : ["", whole];
  const units = new Intl.NumberFormat(language.value).format(size / 100n);
  return `${sign}${units}.${String(size % 100n).padStart(2, "0")} ${language.value === "en" ? "yuan" : "元"}`;
}

/** 元 as typed (`12`, `12.3`, `12.30`) in 分; null if it is no amount. */
export function fenOf(typed: string): number | null {
  const match = /^(\d{1,10})(?:\.(\d{1,2}))?$/.exec(typed.trim());
  return match ? Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")) : null;
}

/** Points as the server wrote them, with a sign where they are a difference. */
export const signed = (points: string): string => (points.startsWith("-") || Number(points) === 0 ? points : `+${points}`);
/** `1,234`. */
export const count = (number: number): string => new Intl.NumberFormat(language.value).format(number);
/** A share of one as `12.3%`. */
export const percent = (share: number): string => new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 1 }).format(share);
