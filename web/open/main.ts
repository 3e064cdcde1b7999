import "element-plus/theme-chalk/dark/css-vars.css";
import { openPage } from "../shared/page";
import "../shared/element.css";
import App from "./App.vue";
import { routes } from "./routes";
import * as shell from "./words/shell";
import * as published from "./words/published";

const words = { zh: { ...shell.zh, ...published.zh }, en: { ...shell.en, ...published.en } };
openPage({ name: "open", root: App, routes, words, store: sessionStorage });
