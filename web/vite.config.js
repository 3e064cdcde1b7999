// Every page is one folder here with an index.html; what is built goes to dist/, and nothing is fetched from outside.
import { VantResolver } from "@vant/auto-import-resolver";
import vue from "@vitejs/plugin-vue";
import { ElementPlusResolver } from "unplugin-vue-components/resolvers";
import Components from "unplugin-vue-components/vite";
import { defineConfig } from "vite";

const SERVER = process.env.XINYI_SERVER ?? "http://127.0.0.1:8000";
const PASSED_ON = ["/graphql", "/sandbox", "/oauth", "/sign-in", "/settlement", "/usage", "/intake", "/open-data", "/reports", "/.well-known"];

export default defineConfig({
  plugins: [
    vue(),
    // Components of the two libraries come in by their names, each with its own styles, and nothing else of them.
    Components({ dirs: [], dts: "generated/components.d.ts", resolvers: [VantResolver(), ElementPlusResolver()] }),
  ],
  publicDir: "generated/public",
  // `npm run dev` beside a running `make run`.
  server: { proxy: Object.fromEntries(PASSED_ON.map((path) => [`^${path}(?!.*html)`, { target: SERVER, ws: true }])) },
  build: {
    rolldownOptions: {
      input: ["citizen", "desk", "operator", "open", "graphiql"].map((page) => `${page}/index.html`),
      checks: { moduleLevelDirective: false },
    },
    chunkSizeWarningLimit: 2000,
    // A worker or a font inside a data: address would need a wider policy.
    assetsInlineLimit: 0,
  },
});
