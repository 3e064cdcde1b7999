/** What the holder sees right after a scan: who asked, what for, and what was answered; reasons are for the holder alone. */
import { instant, outcomeOf } from "../../words";

interface Scan {
  at: string;
  outcome?: string | null;
  problem?: string | null;
  partner?: { name: string } | null;
  offer?: { title: string } | null;
  site?: string | null;
  whyNot: readonly { message: string }[];
}

Component({
  properties: {
    scan: { type: Object, value: {}, observer: "show" },
  },
  data: { at: "", outcome: "", who: "", what: "", whyNot: [] as string[] },
  lifetimes: {
    attached() {
      this.show();
    },
  },
  methods: {
    show() {
      const scan = this.properties.scan as Scan;
      if (!scan.at) return;
      this.setData({
        at: instant(scan.at),
        outcome: outcomeOf(scan.outcome),
        who: scan.partner?.name ?? "",
        what: [scan.offer?.title, scan.site].filter(Boolean).join(" · "),
        whyNot: scan.whyNot.map(({ message }) => message),
      });
    },
  },
});
