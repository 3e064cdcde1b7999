/** A table as a file for spreadsheets. One thing to know: no cell begins with what a spreadsheet would run. */
import { saveFile } from "../../shared/save";

export type Cell = string | number;

function quoted(cell: Cell): string {
  const text = String(cell);
  const tame = /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?%?$/.test(text) ? `'${text}` : text;
  return `"${tame.replaceAll('"', '""')}"`;
}

/** Save a table as UTF-8 with a byte order mark, so that Excel reads it. */
export function saveTable(name: string, head: string[], rows: Cell[][]): void {
  const text = [head, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n");
  saveFile(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}
