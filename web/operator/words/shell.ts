/** Words of the frame of this page. */
export const zh = { shell: { title: "信易+ 运营工作台" } };
export const en = { shell: { title: "信易+ 运营工作台" } };
