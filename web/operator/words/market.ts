/** Words of operator/market. */
export const zh = { market: {} };
export const en = { market: {} };
