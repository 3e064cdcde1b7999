/** What the server tells by itself, over a WebSocket that speaks graphql-transport-ws. One thing to know: a connection that
 * is lost is made again until `stop`; what happened in between is not told, and stands in the access log. */
import { failureOf, freshToken } from "./api";
import { base } from "./config";
import type { Document } from "./documents";

const LONGEST_WAIT = 5_000;

/** Hear of a subscription; the answer stops it. */
export function hear<Data, Variables>(document: Document<Data, Variables>, variables: Variables, heard: (data: Data) => void): () => void {
  let socket: WechatMiniprogram.SocketTask | undefined;
  let tries = 0;
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const again = () => {
    if (isOver) return;
    timer = setTimeout(() => void connect(), Math.min(500 * 2 ** tries++, LONGEST_WAIT));
  };

  async function connect(): Promise<void> {
    let token: string;
    try {
      token = await freshToken();
    } catch (error) {
      // Nobody is signed in: there is nothing to hear until the page begins anew.
      if (failureOf(error).code === "UNREACHABLE") again();
      return;
    }
    if (isOver) return;
    const opened = wx.connectSocket({ url: `${base.replace(/^http/, "ws")}/graphql`, protocols: ["graphql-transport-ws"] });
    socket = opened;
    const send = (message: object) => opened.send({ data: JSON.stringify(message) });
    opened.onOpen(() => send({ type: "connection_init", payload: { authorization: `Bearer ${token}`, acceptLanguage: "zh-CN" } }));
    opened.onMessage(({ data }) => {
      const message = JSON.parse(String(data)) as { type: string; payload?: { data?: Data } };
      if (message.type === "connection_ack") {
        // The protocol wants a text; the id says which.
        send({ id: "1", type: "subscribe", payload: { query: "", documentId: document.id, variables } });
      }
      if (message.type === "ping") send({ type: "pong" });
      if (message.type === "next") {
        // Only now is it known to work: a connection that is closed at once waits longer each time.
        tries = 0;
        if (message.payload?.data) heard(message.payload.data);
      }
      if (message.type === "error") isOver = true;
    });
    let isLost = false;
    // Where there is no network some phones tell of an error alone, others of a close as well.
    const lost = () => {
      if (!isLost) again();
      isLost = true;
    };
    opened.onClose(lost);
    opened.onError(lost);
  }

  void connect();
  return () => {
    isOver = true;
    if (timer !== undefined) clearTimeout(timer);
    socket?.close({});
  };
}
