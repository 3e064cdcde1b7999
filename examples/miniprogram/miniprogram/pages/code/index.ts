/** The credit code: renewed every 50 seconds while it is shown, bright, gone when the page is. A scan shows at once. */
import { ask, failureOf, good } from "../../api";
import { documents } from "../../documents";
import { hear } from "../../live";
import { failed, nothingYet, shown } from "../../showing";

/** Codes live a minute; a slow network must not leave a dead one on the screen. Counted from when it came, so that a
 * phone whose clock is wrong shows good codes as well. */
const SECONDS = 50;

Component({
  data: { ...nothingYet, token: "", left: 0, scan: null as object | null },
  lifetimes: {
    detached() {
      this.stop();
    },
  },
  pageLifetimes: {
    show() {
      void this.read();
    },
    hide() {
      this.stop();
    },
  },
  methods: {
    async read() {
      this.stop();
      const shows = this.shows() + 1;
      Object.assign(this, { showing: shows });
      this.setData({ scan: null, token: "" });
      await this.renew();
      // It may have been left while the first code was on its way.
      if (this.shows() !== shows || this.data.is !== "") return;
      brighten(1);
      const unhear = hear(documents.LiveScanSubscription, {}, ({ codeScanned }) => {
        this.stop();
        this.setData({ scan: codeScanned, token: "" });
      });
      const ticking = setInterval(() => this.tick(), 1000);
      Object.assign(this, { unhear, ticking });
    },
    async renew() {
      try {
        const { token } = good((await ask(documents.CodeMutation, { input: {} })).issueCreditCode);
        this.setData({ ...shown, token, left: SECONDS });
      } catch (error) {
        const isOut = failureOf(error).code === "NOT_ENROLLED";
        this.setData({ ...(isOut ? { ...shown, is: "enroll" } : failed(error)), token: "" });
      }
    },
    tick() {
      const left = this.data.left - 1;
      if (left > 0) return this.setData({ left });
      // No second request while one is on its way.
      if (left === 0) {
        this.setData({ left });
        void this.renew();
      }
    },
    /** How often the page was shown; a reading that is overtaken shows nothing. */
    shows(): number {
      return (this as { showing?: number }).showing ?? 0;
    },
    stop() {
      const held = this as { unhear?: () => void; ticking?: ReturnType<typeof setInterval>; showing?: number };
      held.unhear?.();
      if (held.ticking !== undefined) clearInterval(held.ticking);
      Object.assign(this, { unhear: undefined, ticking: undefined, showing: this.shows() + 1 });
      brighten(-1);
    },
  },
});

/** 0 to 1, or -1 for whatever the phone had. */
function brighten(value: number): void {
  wx.setScreenBrightness({ value, fail: () => undefined });
}
