/** The scores, in words first, then line by line with where each comes from. */
import { ask } from "../../api";
import { documents, type ScoreQuery } from "../../documents";
import { failed, nothing, nothingYet, shown } from "../../showing";
import { instant, plain } from "../../words";

type Score = ScoreQuery["me"]["scores"][number];
const told = (score: Score) => ({
  model: score.model.name,
  result: [score.points === null ? "" : `${plain(score.points)} 分`, score.grade?.name ?? ""].filter(Boolean).join(" · ") || "暂时没有评价",
  at: instant(score.evaluatedAt),
  headlines: score.headlines,
  lines: score.lines.map(({ label, points, basis }) => ({ label, basis, points: points.startsWith("-") || Number(points) === 0 ? plain(points) : `+${plain(points)}` })),
});

Component({
  data: { ...nothingYet, name: "", scores: [] as ReturnType<typeof told>[] },
  pageLifetimes: {
    show() {
      void this.read();
    },
  },
  methods: {
    async read() {
      if (this.data.scores.length === 0) this.setData(nothingYet);
      try {
        const { me } = await ask(documents.ScoreQuery, {});
        this.setData({ ...(me.scores.length ? shown : nothing), name: me.displayName, scores: me.scores.map(told) });
      } catch (error) {
        this.setData({ ...failed(error), scores: [] });
      }
    },
    async onPullDownRefresh() {
      await this.read();
      wx.stopPullDownRefresh();
    },
  },
});
