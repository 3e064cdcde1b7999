/** Where everything on this page lies; each view comes in when it is opened. */
import type { RouteRecordRaw } from "vue-router";

export const routes: RouteRecordRaw[] = [
  { path: "/", component: () => import("./code/Code.vue") },
  { path: "/score", component: () => import("./code/Score.vue") },
  { path: "/benefits", component: () => import("./code/Benefits.vue") },
  { path: "/mine", component: () => import("./code/Mine.vue") },
  { path: "/log", component: () => import("./rights/Log.vue") },
  { path: "/consents", component: () => import("./rights/Consents.vue") },
  { path: "/records", component: () => import("./rights/Records.vue") },
  { path: "/cases", component: () => import("./rights/Cases.vue") },
  { path: "/cases/:id", component: () => import("./rights/Case.vue") },
  { path: "/orders", component: () => import("./rights/Orders.vue") },
  { path: "/loans", component: () => import("./rights/Loans.vue") },
  { path: "/pass", component: () => import("./pass/Pass.vue") },
  { path: "/notices", component: () => import("./rights/Notices.vue") },
  { path: "/settings", component: () => import("./rights/Settings.vue") },
  { path: "/leave", component: () => import("./rights/Leave.vue") },
  { path: "/:rest(.*)", redirect: "/" },
];
