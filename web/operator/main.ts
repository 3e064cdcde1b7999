import "element-plus/theme-chalk/dark/css-vars.css";
import { openPage } from "../shared/page";
import "../shared/element.css";
import "./operator.css";
import App from "./App.vue";
import { routes } from "./routes";
import * as acts from "./words/acts";
import * as shell from "./words/shell";
import * as market from "./words/market";
import * as casework from "./words/casework";
import * as models from "./words/models";

const words = { zh: { ...shell.zh, ...market.zh, ...casework.zh, ...models.zh, ...acts.zh }, en: { ...shell.en, ...market.en, ...casework.en, ...models.en, ...acts.en } };
openPage({ name: "operator", root: App, routes, words, store: sessionStorage });
