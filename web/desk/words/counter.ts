/** Words of desk/counter. */
export const zh = { counter: {} };
export const en = { counter: {} };
