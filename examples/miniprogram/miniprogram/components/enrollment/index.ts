/** What to read before taking part, and the way to take part. Nobody is worse off without. */
import { ask, failureOf, good } from "../../api";
import { documents } from "../../documents";

Component({
  data: { is: "loading", message: "", version: "", text: "", isBusy: false },
  lifetimes: {
    attached() {
      void this.read();
    },
  },
  methods: {
    async read() {
      this.setData({ is: "loading" });
      try {
        const { version, text } = (await ask(documents.EnrollNoticeQuery, {})).enrollmentNotice;
        this.setData({ is: "", version, text });
      } catch (error) {
        this.setData({ is: "failed", message: failureOf(error).message });
      }
    },
    async join() {
      if (this.data.isBusy) return;
      this.setData({ isBusy: true });
      try {
        good((await ask(documents.EnrollMutation, { input: { noticeVersion: this.data.version } })).enroll);
        this.triggerEvent("joined");
      } catch (error) {
        this.setData({ is: "failed", message: failureOf(error).message });
      }
      this.setData({ isBusy: false });
    },
  },
});
