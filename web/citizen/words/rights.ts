/** Words of citizen/rights. */
import english from "./rights-en";
import chinese from "./rights-zh";

export const zh = { rights: chinese };
export const en = { rights: english };
