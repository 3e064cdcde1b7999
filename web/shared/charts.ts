/** The charts that pages draw. One thing to know: tooltips are drawn on the canvas as well, because the pages' policy lets
 * no script write styles into HTML. */
import { BarChart, LineChart, PieChart } from "echarts/charts";
import { DatasetComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use, type ComposeOption, type EChartsType } from "echarts/core";
import type { BarSeriesOption, LineSeriesOption, PieSeriesOption } from "echarts/charts";
import type { GridComponentOption, LegendComponentOption, TooltipComponentOption } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, PieChart, DatasetComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

export type Option = ComposeOption<BarSeriesOption | LineSeriesOption | PieSeriesOption | GridComponentOption | LegendComponentOption | TooltipComponentOption>;
const COLOURS = ["#2b7bbb", "#3aa387", "#c9963c", "#8a6fc0", "#5aa9c9", "#7b8794"];

/** Draw on an element. */
export function drawOn(place: HTMLElement, option: Option, isDark: boolean): EChartsType {
  const chart = init(place, isDark ? "dark" : undefined, { renderer: "canvas" });
  chart.setOption({
    backgroundColor: "transparent",
    color: COLOURS,
    animationDuration: 300,
    grid: { left: 8, right: 16, top: 32, bottom: 8, containLabel: true },
    ...option,
    tooltip: { trigger: "axis", ...option.tooltip, renderMode: "richText" },
  });
  return chart;
}
