/** Points as people write them. */

/** `756.00` → `756`, `92.60` → `92.6`. */
export const plainPoints = (points: string): string => (points.includes(".") ? points.replace(/\.?0+$/, "") : points);

/** With a sign: `+40`, `-30`, `0`. */
export function change(points: string): string {
  const plain = plainPoints(points);
  return Number(points) > 0 ? `+${plain}` : plain.replace("-", "−");
}
