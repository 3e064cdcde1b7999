/** How figures are drawn in this area. One thing to know: no colour means good or bad; grades go from blue to grey, and what
 * may not be told is a gap, never a zero. */
import type { Option } from "../../shared/charts";

export type Figure = number | null | undefined;
/** As many as a ladder has grades. */
const STEPS = ["#1d5a9c", "#2b7bbb", "#4aa3c9", "#3aa387", "#7fae62", "#c2a83a", "#b98a4e", "#8a6fc0", "#7b8794"];
export const BEFORE = "#9aa6b2";
export const AFTER = "#2b7bbb";
const gap = (figure: Figure): number | "-" => figure ?? "-";

/** A colour for each of so many grades, best first. */
export const colours = (number: number): string[] =>
  Array.from({ length: number }, (_, at) => STEPS[number <= 1 ? 1 : Math.round((at * (STEPS.length - 1)) / (number - 1))] ?? "#7b8794");

/** Two figures beside each other for every name. */
export function besides(names: string[], pairs: { name: string; figures: Figure[]; colour?: string }[], unit = ""): Option {
  return {
    legend: { top: 0 },
    xAxis: { type: "category", data: names, axisLabel: { interval: 0, hideOverlap: true, width: 90, overflow: "break" } },
    yAxis: { type: "value", minInterval: 1, axisLabel: { formatter: `{value}${unit}` } },
    series: pairs.map(({ name, figures, colour }) => ({ name, type: "bar" as const, barMaxWidth: 32, data: figures.map(gap), ...(colour && { itemStyle: { color: colour } }) })),
  };
}

/** Bars that lie, each made of parts; for long names and for phones. */
export function stacked(names: string[], parts: { name: string; figures: Figure[] }[], { unit = "", full }: { unit?: string; full?: number } = {}): Option {
  const palette = colours(parts.length);
  return {
    legend: { top: 0, type: "scroll" },
    grid: { left: 8, right: 24, top: 36, bottom: 8, containLabel: true },
    tooltip: { axisPointer: { type: "shadow" } },
    xAxis: { type: "value", max: full, minInterval: 1, axisLabel: { formatter: `{value}${unit}`, hideOverlap: true } },
    yAxis: { type: "category", inverse: true, data: names, axisLabel: { width: 110, overflow: "truncate" } },
    series: parts.map(({ name, figures }, at) => ({ name, type: "bar" as const, stack: "all", barMaxWidth: 26, itemStyle: { color: palette[at] }, data: figures.map(gap) })),
  };
}

/** One line over time for each name. */
export function lines(names: string[], over: { name: string; figures: Figure[]; isTarget?: boolean }[], { unit = "", scale = false } = {}): Option {
  return {
    legend: { top: 0, type: "scroll" },
    xAxis: { type: "category", data: names, axisLabel: { hideOverlap: true } },
    yAxis: { type: "value", scale, axisLabel: { formatter: `{value}${unit}` } },
    series: over.map(({ name, figures, isTarget }) => ({ name, type: "line" as const, symbolSize: 8, data: figures.map(gap), ...(isTarget && { symbol: "none", lineStyle: { type: "dashed" as const } }) })),
  };
}
