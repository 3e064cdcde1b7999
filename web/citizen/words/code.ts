/** Words of citizen/code. */
export { en } from "./code.en";
export { zh } from "./code.zh";
