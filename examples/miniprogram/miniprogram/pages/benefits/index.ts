/** Benefits that can be had now; or, by the other tab, those that cannot, why not, and the nearest thing to do. More come at
 * the end of the page. */
import { ask } from "../../api";
import { documents, type BenefitsQuery } from "../../documents";
import { failed, nothing, nothingYet, shown } from "../../showing";

type Benefit = BenefitsQuery["me"]["benefits"]["edges"][number]["node"];
const told = ({ available, offer, whyNot, nextStep }: Benefit) => ({
  id: offer.id,
  available,
  title: offer.title,
  kind: offer.kind.name,
  partner: [offer.partner.name, ...offer.districts.map(({ name }) => name)].join(" · "),
  text: available ? offer.benefit : offer.standardService,
  whyNot: whyNot.map(({ message }) => message),
  nextStep: nextStep ?? "",
});

Component({
  data: { ...nothingYet, available: true, benefits: [] as ReturnType<typeof told>[], after: null as string | null, hasMore: false, isBusy: false },
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
      const { available } = this.data;
      this.setData({ isBusy: true, ...(this.data.benefits.length === 0 ? nothingYet : {}) });
      let found;
      try {
        const { edges, pageInfo } = (await ask(documents.BenefitsQuery, { first: 20, after, available })).me.benefits;
        const benefits = [...(after === null ? [] : this.data.benefits), ...edges.map(({ node }) => told(node))];
        found = { ...(benefits.length ? shown : nothing), benefits, after: pageInfo.endCursor ?? null, hasMore: pageInfo.hasNextPage };
      } catch (error) {
        found = { ...failed(error), benefits: [], hasMore: false };
      }
      // Where the other tab was chosen meanwhile, it reads for itself.
      if (available === this.data.available) this.setData({ ...found, isBusy: false });
    },
    async choose({ currentTarget }: WechatMiniprogram.TouchEvent) {
      const available = currentTarget.dataset.available as boolean;
      if (available === this.data.available) return;
      this.setData({ ...nothingYet, available, benefits: [], after: null, hasMore: false, isBusy: false });
      await this.read();
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
