/** Words of citizen/rights. */
export const zh = { rights: {} };
export const en = { rights: {} };
