// Every page is one folder here with an index.html; what is built goes to dist/, and nothing is fetched from outside.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    rolldownOptions: { input: ["graphiql/index.html"], checks: { moduleLevelDirective: false } },
    chunkSizeWarningLimit: 2000,
    // A worker or a font inside a data: address would need a wider policy.
    assetsInlineLimit: 0,
  },
});
