/** Asking the server. One thing to know: what goes out is the hash of a document; an answer that is a `Problem`, a refusal
 * or a lost connection is thrown, so whoever calls has only the good case to write down. */
import { language } from "./language";
import { endSession, freshToken, type Session } from "./session";

/** An operation: `id` is the hash of its text. The types are those of its result and its variables. */
export interface Document<Result, Variables> {
  readonly id: string;
  readonly kind: string;
  /** In development alone, where the server does not know the hash yet. */
  readonly text?: string;
  readonly of?: (variables: Variables) => Result;
}

/** What the server refused, with its stable code and its sentence for people. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Seconds after which it is worth trying again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Nobody answered. */
export class Unreachable extends Error {}

interface Answer<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string; retryAfter?: number } }[];
}

export interface Problem {
  __typename: "Problem";
  code: string;
  message: string;
}

/** One door to the server for one session; `path` is another one for the sandbox. */
export class Client {
  constructor(
    readonly session: Session,
    readonly path = "/graphql",
  ) {}

  /** The data of an operation. Throws `Refused` or `Unreachable`. */
  async ask<Result, Variables>(document: Document<Result, Variables>, variables: Variables): Promise<Result> {
    const token = await freshToken(this.session);
    const answer = await post<Answer<Result>>(this.path, { documentId: document.id, query: document.text, variables }, token);
    const [error] = answer.errors ?? [];
    if (error === undefined) return answer.data as Result;
    const code = error.extensions?.code ?? "";
    if (code === "UNAUTHENTICATED" && token !== undefined) endSession(this.session);
    throw new Refused(code, error.message, error.extensions?.retryAfter);
  }
}

/** The result of a mutation's union. Throws the problem, if it is one. */
export function good<Result extends { __typename: string }>(result: Result): Exclude<Result, Problem> {
  if (result.__typename === "Problem") {
    const { code, message } = result as unknown as Problem;
    throw new Refused(code, message);
  }
  return result as Exclude<Result, Problem>;
}

/** One JSON body for another. Throws `Unreachable` where there is no JSON. */
export async function post<Body>(path: string, body: unknown, token?: string): Promise<Body> {
  const headers: Record<string, string> = { "content-type": "application/json", "accept-language": language.value };
  headers.accept = "application/graphql-response+json, application/json";
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  try {
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return (await response.json()) as Body;
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

/** A file behind a token: what the settlement and quarantine routes give. Throws `Refused` or `Unreachable`. */
export async function download(session: Session, path: string): Promise<Blob> {
  const token = await freshToken(session);
  const headers: Record<string, string> = { "accept-language": language.value };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  let response: Response;
  try {
    response = await fetch(path, { headers });
  } catch (error) {
    throw new Unreachable(String(error));
  }
  if (response.ok) return response.blob();
  const { error } = (await response.json().catch(() => ({}))) as { error?: { code: string; message: string } };
  throw new Refused(error?.code ?? String(response.status), error?.message ?? response.statusText);
}
