/** A text that is kept as one line, as whoever typed it in several meant it. */
export const oneLine = (typed: string): string => typed.trim().replace(/\s*\n\s*/g, " ");
