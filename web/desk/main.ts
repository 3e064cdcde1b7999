import "element-plus/theme-chalk/dark/css-vars.css";
import { openPage } from "../shared/page";
import "../shared/element.css";
import "./desk.css";
import App from "./App.vue";
import { routes } from "./routes";
import * as shell from "./words/shell";
import * as counter from "./words/counter";
import * as back from "./words/back";
import * as gates from "./words/gates";

const words = { zh: { ...shell.zh, ...counter.zh, ...back.zh, ...gates.zh }, en: { ...shell.en, ...counter.en, ...back.en, ...gates.en } };
openPage({ name: "desk", root: App, routes, words, store: sessionStorage });
