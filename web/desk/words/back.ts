/** Words of desk/back. */
export const zh = { back: {} };
export const en = { back: {} };
