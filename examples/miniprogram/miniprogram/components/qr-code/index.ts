/** A QR code, drawn on a canvas: dark on white also at night, because gates read nothing else. */
import { qrOf } from "../../qr";

const QUIET = 4;
/** What is used of a canvas' 2D context, which the typings leave open. */
interface Pen {
  fillStyle: string | object;
  fillRect(x: number, y: number, width: number, height: number): void;
}

Component({
  properties: { text: { type: String, value: "", observer: "draw" } },
  lifetimes: {
    ready() {
      this.draw();
    },
  },
  methods: {
    draw() {
      const { text } = this.properties;
      if (!text) return;
      this.createSelectorQuery()
        .select(".code")
        .fields({ node: true, size: true })
        .exec(([found]: ({ node: WechatMiniprogram.Canvas; width: number } | null)[]) => {
          if (found?.node) paint(found.node, found.width * wx.getWindowInfo().pixelRatio, text);
        });
    },
  },
});

function paint(canvas: WechatMiniprogram.Canvas, width: number, text: string): void {
  const modules = qrOf(text);
  // Whole pixels for each module, so that no edge is blurred.
  const side = Math.max(2, Math.floor(width / (modules.length + 2 * QUIET)));
  canvas.width = canvas.height = side * (modules.length + 2 * QUIET);
  const pen: Pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000000";
  modules.forEach((row, y) => row.forEach((dark, x) => dark && pen.fillRect((x + QUIET) * side, (y + QUIET) * side, side, side)));
}
