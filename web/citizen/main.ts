import { openPage } from "../shared/page";
import App from "./App.vue";
import { routes } from "./routes";
import * as shell from "./words/shell";
import * as code from "./words/code";
import * as pass from "./words/pass";
import * as rights from "./words/rights";
import "./look.css";
// Also first, so that a view looks the same whatever was open before.
import "./rights/rights.css";

const words = { zh: { ...shell.zh, ...code.zh, ...pass.zh, ...rights.zh }, en: { ...shell.en, ...code.en, ...pass.en, ...rights.en } };
openPage({ name: "citizen", root: App, routes, words, store: localStorage });
