/** A QR code, drawn on a canvas: dark on white also at night, because gates read nothing else. */
import qrcode from "qrcode-generator";

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
  const code = qrcode(0, "M"); // 0: as large as the text needs
  code.addData(text);
  code.make();
  const count = code.getModuleCount();
  // Whole pixels for each module, so that no edge is blurred.
  const side = Math.max(2, Math.floor(width / (count + 2 * QUIET)));
  canvas.width = canvas.height = side * (count + 2 * QUIET);
  const pen: Pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000000";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) pen.fillRect((column + QUIET) * side, (row + QUIET) * side, side, side);
    }
  }
}
