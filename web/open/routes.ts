/** Where everything on this page lies; each view comes in when it is opened. */
import type { RouteRecordRaw } from "vue-router";

export const routes: RouteRecordRaw[] = [
  { path: "/", component: () => import("./published/Models.vue") },
  { path: "/models/:id", component: () => import("./published/Model.vue") },
  { path: "/measures", component: () => import("./published/Measures.vue") },
  { path: "/offers", component: () => import("./published/Offers.vue") },
  { path: "/records", component: () => import("./published/Records.vue") },
  { path: "/check", component: () => import("./published/Check.vue") },
  { path: "/:rest(.*)", redirect: "/" },
];
