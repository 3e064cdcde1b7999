/** Words of open/published. */
export const zh = { published: {} };
export const en = { published: {} };
