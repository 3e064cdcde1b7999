/** Asking the server. One thing to know: what goes out is the hash of a document; an answer that is a `Problem`, a refusal
 * or a lost connection is thrown, so whoever calls has only the good case to write down. */
import { headersOf, post, Refused, Unreachable } from "./http";
import { endSession, freshToken, replaceToken, type Session } from "./session";

/** An operation: `id` is the hash of its text. The types are those of its result and its variables. */
export interface Document<Result, Variables> {
  readonly id: string;
  readonly kind: string;
  /** In development alone, where the server does not know the hash yet. */
  readonly text?: string;
  readonly of?: (variables: Variables) => Result;
}

interface Answer<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string; retryAfter?: number; field?: string } }[];
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
    let token = await freshToken(this.session);
    let answer = await this.send(document, variables, token);
    if (token !== undefined && codeOf(answer) === "UNAUTHENTICATED") {
      // Nothing was done for this token, so with another one it is asked once more.
      token = await replaceToken(this.session, token);
      if (token !== undefined) answer = await this.send(document, variables, token);
      if (codeOf(answer) === "UNAUTHENTICATED") endSession(this.session);
    }
    const [error] = answer.errors ?? [];
    if (error === undefined) return answer.data as Result;
    throw new Refused(codeOf(answer) ?? "", error.message, error.extensions?.retryAfter, error.extensions?.field);
  }

  private async send<Result, Variables>(document: Document<Result, Variables>, variables: Variables, token?: string): Promise<Answer<Result>> {
    try {
      const answer = await post<Answer<Result>>(this.path, { documentId: document.id, query: document.text, variables }, token);
      // What stands between may answer in JSON too, in words of its own.
      if (typeof answer.errors?.[0]?.message === "string" || (answer.data ?? null) !== null) return answer;
      throw new Unreachable("neither data nor errors");
    } catch (error) {
      if (error instanceof Unreachable) error.isUnsure = document.kind === "mutation";
      throw error;
    }
  }
}

const codeOf = (answer: Answer<unknown>): string | undefined => answer.errors?.[0]?.extensions?.code;

/** The result of a mutation's union. Throws the problem, if it is one. */
export function good<Result extends { __typename: string }>(result: Result): Exclude<Result, Problem> {
  if (result.__typename === "Problem") {
    const { code, message } = result as unknown as Problem;
    throw new Refused(code, message);
  }
  return result as Exclude<Result, Problem>;
}

/** A file behind a token: what the settlement and quarantine routes give. Throws `Refused` or `Unreachable`. */
export async function download(session: Session, path: string): Promise<Blob> {
  const token = await freshToken(session);
  const headers = headersOf(token);
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
