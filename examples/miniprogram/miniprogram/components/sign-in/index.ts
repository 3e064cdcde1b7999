/** Why nobody is signed in, and what to do: for a WeChat that is bound to nobody yet, the address and the six digits. */
import type { Failure } from "../../api";

Component({
  properties: { failure: { type: Object, value: {} } },
  methods: {
    copy() {
      const { binding } = this.properties.failure as Failure;
      if (binding) wx.setClipboardData({ data: binding.address });
    },
    again() {
      this.triggerEvent("again");
    },
  },
});
