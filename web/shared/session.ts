/** Who is signed in. One thing to know: the access token lives a quarter of an hour in memory; the refresh token is
 * replaced at each use, so tabs of one page take turns, and a tab always has the newest: it reads it from what tabs share,
 * or, where each has a store of its own, hears it from the others of the same sign-in: as they renew it, and when it opens,
 * for a tab that was closed and comes back holds an old one. */
import { reactive } from "vue";
import { post, Refused, Unreachable } from "./http";
import { bilingual } from "./language";

/** What the server hands out at a sign-in and at each renewal; also the shape of its refusals. */
interface Tokens {
  role?: string;
  access_token?: string;
  refresh_token?: string;
  expires_in?: number;
  error?: { code: string; message: string };
}

/** A page's own session. `store` says how long it outlives the page: desks are shared computers, phones are not. */
export interface Session {
  readonly key: string;
  readonly store: Storage;
  /** Who signed in, in words for the head of the page; null while nobody is. */
  who: Who | null;
  /** Whose the views are. It outlives a session that has ended, so that what somebody was typing is there when the same
   * one signs in again. */
  owner: Who | null;
  /** Why somebody has to sign in again. */
  ended: boolean;
  access: { token: string; until: number } | null;
  /** What somebody has just come back from a provider with. */
  code?: string;
  /** A way to the next token other than the refresh token: a key that is in memory alone. Throws `Refused`. */
  next?: () => Promise<{ token: string; until: number }>;
}

export interface Who {
  /** A role of the demo, or the provider's name. */
  role: string;
  n?: number;
  /** The sort of account, as the schema's `@access` names it: `CITIZEN`, `PARTNER`, `OPERATOR` … */
  account?: string;
  /** The account itself. */
  id?: string;
}

const MARGIN = 30_000;

/** The session that a page keeps under a name. */
export function openSession(name: string, store: Storage): Session {
  const key = `xinyi-${name}`;
  const held = read(store, key);
  const session = reactive({ key, store, who: held?.who ?? null, owner: held?.who ?? null, ended: false, access: null }) as Session;
  // Another tab has signed somebody in or out.
  if (store === localStorage) addEventListener("storage", (event) => (event.key === key || event.key === null) && adopt(session));
  else {
    told(key).addEventListener("message", ({ data }: MessageEvent<Told>) => hear(session, data));
    if (held !== null) caughtUp.set(session, catchUp(session, held));
  }
  return session;
}

/** What tells one owner of views from another; undefined while there is none. */
export const nameOf = (who: Who | null): string | undefined => who?.id ?? (who === null ? undefined : JSON.stringify(who));

/** From now on it is this one who is signed in. */
export function begin(session: Session, who: Who): void {
  session.owner = who;
  session.who = who;
  session.ended = false;
}

interface Held {
  who: Who;
  refresh: string;
  /** The sign-in that the token comes from, and how many came before it. */
  chain?: string;
  turn?: number;
}

/** What a tab tells those of the same sign-in: the token that counts now, or that it asks for it. */
type Told = { held: Held } | { asks: string };
/** Milliseconds that a tab waits when it opens for others to tell it the token that counts. */
const HEARING = 100;
const caughtUp = new WeakMap<Session, Promise<unknown>>();

const channels = new Map<string, BroadcastChannel>();
/** Where tabs of one page hear of each other. */
function told(key: string): BroadcastChannel {
  const channel = channels.get(key) ?? new BroadcastChannel(key);
  channels.set(key, channel);
  return channel;
}

/** Another tab asks for the token that counts, or has used the one that this one holds as well. */
function hear(session: Session, said: Told): void {
  const mine = read(session.store, session.key);
  if (mine?.chain === undefined) return;
  if ("asks" in said) {
    if (said.asks === mine.chain) told(session.key).postMessage({ held: mine } satisfies Told);
  } else if (said.held.chain === mine.chain && (said.held.turn ?? 0) > (mine.turn ?? 0)) {
    session.store.setItem(session.key, JSON.stringify(said.held));
  }
}

/** Hear from others, if there are any, which token counts by now. */
function catchUp(session: Session, { chain }: Held): Promise<unknown> {
  if (chain === undefined) return Promise.resolve();
  told(session.key).postMessage({ asks: chain } satisfies Told);
  return new Promise((resume) => setTimeout(resume, HEARING));
}

/** Be whoever is signed in now in the store that tabs share. */
function adopt(session: Session): void {
  const held = read(session.store, session.key);
  if (held === null) {
    session.access = null;
    session.who = session.owner = null;
  } else if (nameOf(held.who) !== nameOf(session.who)) {
    session.access = null;
    begin(session, held.who);
  }
}

/** The account that a token was given to, as it says itself; undefined where it says nothing. */
function accountIn(token: string): string | undefined {
  try {
    const [, claims = ""] = token.split(".");
    return (JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { sub?: string }).sub;
  } catch {
    return undefined;
  }
}

function read(store: Storage, key: string): Held | null {
  try {
    return JSON.parse(store.getItem(key) ?? "null") as Held | null;
  } catch {
    return null;
  }
}

/** Sign in as a person of the demo city. Throws `Refused`. */
export async function signInDemo(session: Session, role: string, n: number): Promise<void> {
  accept(session, { role, n }, await post<Tokens>("/sign-in/demo", { role, n }));
}

/** The one-time code of whoever comes back from a provider, whose address ends in `#sign-in=CODE`; it is taken out of the
 * address at once, before anything else looks there. */
export function takeCode(): string | undefined {
  const [, code] = /^#sign-in=(.+)$/.exec(location.hash) ?? [];
  if (code !== undefined) history.replaceState(null, "", location.pathname);
  return code && decodeURIComponent(code);
}

/** Sign in with the code that somebody came back with; nothing where there is none. Throws `Refused`. */
export async function signInReturned(session: Session): Promise<void> {
  const { code } = session;
  if (code === undefined) return;
  session.code = undefined;
  accept(session, { role: "provider" }, await post<Tokens>("/sign-in/session", { code }));
}

function accept(session: Session, who: Who, tokens: Tokens, before?: Held): void {
  const { access_token: token, refresh_token: refresh, expires_in: seconds, role: account } = tokens;
  if (token === undefined || refresh === undefined) {
    if (tokens.error === undefined) throw new Unreachable("no tokens");
    throw new Refused(tokens.error.code, tokens.error.message);
  }
  const held: Held = { who: { ...who, account, id: accountIn(token) }, refresh, chain: before?.chain ?? crypto.randomUUID(), turn: (before?.turn ?? 0) + 1 };
  session.store.setItem(session.key, JSON.stringify(held));
  session.access = { token, until: Date.now() + (seconds ?? 0) * 1000 };
  begin(session, held.who);
}

/** A token that holds for a while yet; undefined while nobody is signed in. Throws `Unreachable`. */
export async function freshToken(session: Session): Promise<string | undefined> {
  if (session.who === null) return undefined;
  if (session.access === null || session.access.until - MARGIN < Date.now()) {
    // A refresh token opens once: two tabs that used the same one would end the session as stolen.
    await navigator.locks.request(session.key, () => renew(session));
  }
  return session.access?.token;
}

async function renew(session: Session): Promise<void> {
  if (session.access !== null && session.access.until - MARGIN > Date.now()) return;
  if (session.next !== undefined) {
    try {
      session.access = await session.next();
    } catch (error) {
      if (error instanceof Refused) endSession(session);
      throw error;
    }
    return;
  }
  await caughtUp.get(session);
  const held = read(session.store, session.key);
  if (held === null) return endSession(session);
  if (nameOf(held.who) !== nameOf(session.who)) {
    // What one has begun is not done in the name of another.
    adopt(session);
    throw new Refused(
      "SIGNED_IN_ANEW",
      bilingual("另一个标签页换了登录的人,刚才的操作没有进行。请核对现在是谁,再重做。", "Somebody else signed in on another tab, so this was not done. See who is signed in now, and do it again."),
    );
  }
  const tokens = await post<Tokens>("/sign-in/refresh", { refresh_token: held.refresh });
  if (tokens.access_token !== undefined) {
    accept(session, held.who, tokens, held);
    const next = read(session.store, session.key);
    if (session.store !== localStorage && next !== null) told(session.key).postMessage({ held: next } satisfies Told);
    return;
  }
  // Only the word that it has ended ends it: a server that is busy or down says something else.
  if (tokens.error?.code !== "SESSION_ENDED") throw new Unreachable(tokens.error?.message);
  endSession(session);
}

/** A token in the place of one that the server refuses: it may have run out by the server's clock alone, or the server may
 * have changed its keys. Undefined where the session has ended. Throws `Unreachable`. */
export async function replaceToken(session: Session, refused: string): Promise<string | undefined> {
  if (session.access?.token === refused) session.access = null;
  return freshToken(session);
}

/** Forget the session, because the server has: the page asks to sign in again. */
export function endSession(session: Session): void {
  forget(session);
  session.ended = true;
}

/** Sign out, here and at the server. */
export async function signOut(session: Session): Promise<void> {
  const held = read(session.store, session.key);
  forget(session);
  session.owner = null;
  if (held !== null) await post("/sign-in/end", { refresh_token: held.refresh }).catch(() => undefined);
}

function forget(session: Session): void {
  session.store.removeItem(session.key);
  session.access = null;
  session.who = null;
  delete session.next;
}
