/** Instead of content: it is being read, could not be read (with a way to try again), or there is nothing. */
Component({
  properties: {
    /** `loading`, `failed`, `empty`, or nothing once there is content. */
    is: { type: String, value: "loading" },
    message: { type: String, value: "" },
    empty: { type: String, value: "这里还没有内容。" },
  },
  methods: {
    again() {
      this.triggerEvent("again");
    },
  },
});
