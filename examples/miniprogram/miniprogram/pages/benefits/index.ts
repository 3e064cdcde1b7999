/** Benefits: available or not, why not, and the nearest thing to do. More come at the end of the page. */
import { ask } from "../../api";
import { documents, type BenefitsQuery } from "../../documents";
import { failed, nothing, nothingYet, shown } from "../../showing";

type Benefit = BenefitsQuery["me"]["benefits"]["edges"][number]["node"];
const told = ({ available, offer, whyNot, nextStep }: Benefit) => ({
  id: offer.id,
  available,
  title: offer.title,
  kind: offer.kind.name,
  partner: offer.partner.name,
  text: available ? offer.benefit : offer.standardService,
  whyNot: whyNot.map(({ message }) => message),
  nextStep: nextStep ?? "",
});

Component({
  data: { ...nothingYet, benefits: [] as ReturnType<typeof told>[], after: null as string | null, hasMore: false, isBusy: false },
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
      this.setData({ isBusy: true, ...(this.data.benefits.length === 0 ? nothingYet : {}) });
      try {
        const { edges, pageInfo } = (await ask(documents.BenefitsQuery, { first: 20, after })).me.benefits;
        const benefits = [...(after === null ? [] : this.data.benefits), ...edges.map(({ node }) => told(node))];
        this.setData({ ...(benefits.length ? shown : nothing), benefits, after: pageInfo.endCursor ?? null, hasMore: pageInfo.hasNextPage });
      } catch (error) {
        this.setData({ ...failed(error), benefits: [] });
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
