/** Words of the frame of this page. */
export const zh = { shell: { title: "信易+ 公开" } };
export const en = { shell: { title: "信易+ 公开" } };
