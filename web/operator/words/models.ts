/** Words of operator/models. */
export const zh = { models: {} };
export const en = { models: {} };
