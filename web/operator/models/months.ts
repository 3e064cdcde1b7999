/** Months and quarters to choose from, as days of Asia/Shanghai. */
import { isoDay } from "../../shared/format";
import { language } from "../../shared/language";

function shifted(year: number, month: number, by: number): string {
  const index = year * 12 + month - 1 + by;
  return `${String(Math.floor(index / 12)).padStart(4, "0")}-${String((((index % 12) + 12) % 12) + 1).padStart(2, "0")}-01`;
}
const today = (): [number, number] => isoDay().split("-").slice(0, 2).map(Number) as [number, number];

/** The first day of the month so many months ago. */
export const monthAgo = (months: number): string => shifted(...today(), -months);
/** First days of months, the newest first, from `least` months ago on. */
export const monthsBack = (number: number, least = 0): string[] => Array.from({ length: number }, (_, at) => monthAgo(at + least));
/** First days of quarters, the newest first; the first of them is the one that has begun. */
export function quartersBack(number: number): string[] {
  const [year, month] = today();
  return Array.from({ length: number }, (_, at) => shifted(year, month, -((month - 1) % 3) - 3 * at));
}

/** `2026年11月`. */
export const monthName = (first: string): string =>
  new Intl.DateTimeFormat(language.value, { year: "numeric", month: "long", timeZone: "UTC" }).format(new Date(first));
/** `2026-Q3` of the first day of a quarter. */
export const quarterName = (first: string): string => `${first.slice(0, 4)}-Q${Math.ceil(Number(first.slice(5, 7)) / 3)}`;
