/** Words of the frame of this page. */
export const zh = { shell: { title: "信易+ 伙伴工作台" } };
export const en = { shell: { title: "信易+ 伙伴工作台" } };
