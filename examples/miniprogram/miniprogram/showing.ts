/** How every page reads: what it shows while reading, and when reading fails. Pages are built by `Component`, which gives
 * them the same tests as components. */
import { failureOf, type Failure } from "./api";

/** What a page holds besides its content. `is` goes to the component `state`. */
export interface Showing {
  is: string;
  message: string;
  failure: Failure | null;
}
export const nothingYet: Showing = { is: "loading", message: "", failure: null };
export const shown: Showing = { is: "", message: "", failure: null };
export const nothing: Showing = { is: "empty", message: "", failure: null };

/** An error on a page: a WeChat that is bound to nobody gets the way to bind it. */
export function failed(error: unknown): Showing {
  const failure = failureOf(error);
  const { code, message, binding } = failure;
  if (code === "BINDING_REQUIRED") return { is: "bind", message, failure: { ...failure, code, message, binding } };
  return { is: "failed", message, failure: null };
}
