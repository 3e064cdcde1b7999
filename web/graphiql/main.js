// GraphiQL over POST and, for subscriptions, WebSocket. The token stands in the «Headers» tab and is not kept.
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/graphiql.css";
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import "./page.css";

const url = new URL("/graphql", location.href).href;
const OFFERS = `# 信易+ 的接口,演示城市的数据。公开的内容直接可查:
query Offers {
  offers(first: 3) {
    edges { node { title standardService benefit partner { name } } }
  }
}
`;
const MINE = `# 以某人的身份:运行 .venv/bin/xinyi demo-token citizen --n 1,
# 把得到的令牌写进下面 Headers 一栏的 Bearer 之后。
query Mine {
  me { displayName scores { model { name } points grade { name } } }
}
`;

createRoot(document.getElementById("graphiql")).render(
  createElement(GraphiQL, {
    fetcher: createGraphiQLFetcher({ url, subscriptionUrl: url.replace(/^http/, "ws") }),
    defaultTabs: [{ query: OFFERS }, { query: MINE, headers: '{"Authorization": "Bearer "}' }],
    shouldPersistHeaders: false,
  }),
);
