/** Who looked at me: every scan, with what was answered, and everybody else who read something. */
import { ask } from "../../api";
import { documents, type AccessLogQuery } from "../../documents";
import { failed, nothing, nothingYet, shown } from "../../showing";
import { instant } from "../../words";

type Event = AccessLogQuery["me"]["accessLog"]["edges"][number];
const told = ({ cursor, node }: Event) => ({
  cursor,
  at: instant(node.at),
  isScan: node.offer != null,
  node,
  reader: node.partner?.name ?? node.reader ?? "本人",
  what: node.purpose ?? node.action,
});

Component({
  data: { ...nothingYet, events: [] as ReturnType<typeof told>[], after: null as string | null, hasMore: false, isBusy: false },
  pageLifetimes: {
    show() {
      void this.read();
    },
  },
  methods: {
    read() {
      return this.page(null);
    },
    async page(after: string | null) {
      if (this.data.isBusy) return;
      this.setData({ isBusy: true, ...(this.data.events.length === 0 ? nothingYet : {}) });
      try {
        const { edges, pageInfo } = (await ask(documents.AccessLogQuery, { first: 20, after })).me.accessLog;
        const events = [...(after === null ? [] : this.data.events), ...edges.map(told)];
        this.setData({ ...(events.length ? shown : nothing), events, after: pageInfo.endCursor ?? null, hasMore: pageInfo.hasNextPage });
      } catch (error) {
        this.setData({ ...failed(error), events: [] });
      }
      this.setData({ isBusy: false });
    },
    async onReachBottom() {
      if (this.data.hasMore) await this.page(this.data.after);
    },
    async onPullDownRefresh() {
      await this.read();
      wx.stopPullDownRefresh();
    },
  },
});
