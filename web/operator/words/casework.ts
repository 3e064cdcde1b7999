/** Words of operator/casework. */
export const zh = { casework: {} };
export const en = { casework: {} };
