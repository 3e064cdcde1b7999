/** Signing in and asking the server. One thing to know: what is sent is the id of a document, never a text; what fails,
 * a Problem included, is thrown as a `Failure` with its stable code and a sentence for people. */
import { base, demo } from "./config";
import type { Document } from "./documents";

/** Why something could not be had. `binding` comes with BINDING_REQUIRED. */
export interface Failure extends Error {
  code: string;
  binding?: Binding;
}

/** What binds this WeChat to a person: open the address, prove who one is, type the number. */
export interface Binding {
  number: string;
  address: string;
  expires_in: number;
}

interface Tokens {
  access_token?: string;
  refresh_token?: string;
  expires_in?: number;
  binding?: Binding;
  error?: { code: string; message: string };
}

const KEPT = "refresh-token";
const MARGIN = 30_000;
const HEADERS = { "content-type": "application/json", accept: "application/json", "accept-language": "zh-CN" };
let access: { token: string; until: number } | null = null;
let renewing: Promise<string> | null = null;

export function fail(code: string, message: string, binding?: Binding): Failure {
  return Object.assign(new Error(message), { code, binding });
}

/** A failure, whatever was thrown. */
export function failureOf(error: unknown): Failure {
  return error instanceof Error && "code" in error ? (error as Failure) : fail("UNKNOWN", "小程序出错了。请重新打开后再试。");
}

function post<Body>(path: string, data: object, token?: string): Promise<Body> {
  return new Promise((resolve, reject) => {
    wx.request({
      url: base + path,
      method: "POST",
      data,
      timeout: 10_000,
      header: { ...HEADERS, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      success: ({ data: body }) => {
        if (typeof body === "object" && body !== null) resolve(body as Body);
        else reject(fail("UNREACHABLE", "服务器没有正常回答。请稍后再试。"));
      },
      fail: () => reject(fail("UNREACHABLE", "连不上服务器。请检查网络后再试。")),
    });
  });
}

function accept(tokens: Tokens): string {
  const { access_token: token, refresh_token: refresh, expires_in: seconds = 0 } = tokens;
  if (token === undefined || refresh === undefined) {
    const { code, message } = tokens.error ?? { code: "SIGN_IN_FAILED", message: "登录没有成功。请重新登录。" };
    throw fail(code, message, tokens.binding);
  }
  wx.setStorageSync(KEPT, refresh);
  access = { token, until: Date.now() + seconds * 1000 };
  return token;
}

/** Sign in by this WeChat. Throws BINDING_REQUIRED where it is bound to nobody yet. */
export async function signIn(): Promise<string> {
  if (demo !== null) return accept(await post<Tokens>("/sign-in/demo", demo));
  const { code } = await wx.login();
  return accept(await post<Tokens>("/sign-in/wechat", { code }));
}

async function renew(): Promise<string> {
  const kept: unknown = wx.getStorageSync(KEPT);
  if (typeof kept !== "string" || kept === "") return signIn();
  const tokens = await post<Tokens>("/sign-in/refresh", { refresh_token: kept });
  if (tokens.access_token !== undefined) return accept(tokens);
  const { code, message } = tokens.error ?? { code: "UNAVAILABLE", message: "服务器暂时不能登录。请稍后再试。" };
  // Whoever has to wait is still signed in; only an ended session is begun anew.
  if (code === "UNAVAILABLE" || code === "THROTTLED") throw fail(code, message);
  signedOut();
  return signIn();
}

/** A token that holds for a while. A refresh token opens once, so whoever asks meanwhile waits for the same answer. */
export async function freshToken(): Promise<string> {
  if (access !== null && access.until - MARGIN > Date.now()) return access.token;
  renewing ??= renew().finally(() => (renewing = null));
  return renewing;
}

/** Forget the session, because it has ended. */
export function signedOut(): void {
  access = null;
  wx.removeStorageSync(KEPT);
}

interface Answered<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

/** The data of an operation. Throws a `Failure`. */
export async function ask<Data, Variables>(document: Document<Data, Variables>, variables: Variables): Promise<Data> {
  const { data, errors } = await post<Answered<Data>>("/graphql", { documentId: document.id, variables }, await freshToken());
  const error = errors?.[0];
  if (error !== undefined) {
    const code = error.extensions?.code ?? "UNKNOWN";
    if (code === "UNAUTHENTICATED") signedOut();
    throw fail(code, code === "DOCUMENT_NOT_FOUND" ? "小程序有了新版本。请关闭后重新打开。" : error.message);
  }
  if (data === undefined || data === null) throw fail("UNREACHABLE", "服务器没有正常回答。请稍后再试。");
  return data;
}

/** The result of a mutation. Throws the Problem, if it is one. */
export function good<Result extends { __typename: string }>(result: Result): Exclude<Result, { __typename: "Problem" }> {
  if (result.__typename === "Problem") {
    const { code, message } = result as unknown as { code: string; message: string };
    throw fail(code, message);
  }
  return result as Exclude<Result, { __typename: "Problem" }>;
}
