/** Words of citizen/code. */
export const zh = { code: {} };
export const en = { code: {} };
