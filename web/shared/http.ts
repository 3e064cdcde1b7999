/** One request and its answer, and the two ways in which it can fail. One thing to know: whoever waits gives up some time. */
import { language } from "./language";

/** What the server refused, with its stable code and its sentence for people. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Seconds after which it is worth trying again. */
    readonly retryAfter?: number,
    /** The field of the input that is meant, where it is one. */
    readonly field?: string,
  ) {
    super(message);
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  /** Whether an act was sent: nobody knows whether it was done. */
  isUnsure = false;
}

/** Milliseconds after which nobody waits for an answer any more. */
const LONGEST = 60_000;

/** The JSON object that a path answers with. Throws `Unreachable` where there is none. */
export async function read<Body extends object>(path: string, given: RequestInit = {}): Promise<Body> {
  try {
    const body: unknown = await (await fetch(path, { signal: AbortSignal.timeout(LONGEST), ...given })).json();
    if (typeof body === "object" && body !== null) return body as Body;
  } catch (error) {
    throw new Unreachable(String(error));
  }
  throw new Unreachable("no object");
}

/** What goes with every request: the reader's language, and who asks. */
export const headersOf = (token: string | undefined): Record<string, string> => ({
  "accept-language": language.value,
  ...(token !== undefined && { authorization: `Bearer ${token}` }),
});

/** One JSON body for another. Throws `Unreachable` where there is no JSON. */
export async function post<Body extends object>(path: string, body: unknown, token?: string): Promise<Body> {
  const headers = { ...headersOf(token), "content-type": "application/json", accept: "application/graphql-response+json, application/json" };
  return read<Body>(path, { method: "POST", headers, body: JSON.stringify(body) });
}
