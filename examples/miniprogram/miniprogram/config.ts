/** Where the server is: the one file to change. A released mini-program needs https, and the domain entered at 公众平台
 * under 开发管理 → 服务器域名, for request and for socket. */
export const base = "http://127.0.0.1:8000";

/** Who is signed in while `base` is a demo city, which has no WeChat to ask; null: sign in by WeChat. */
export const demo: { role: string; n: number } | null = { role: "citizen", n: 1 };
