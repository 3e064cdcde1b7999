/** Where everything on this page lies; each view comes in when it is opened. */
import type { RouteRecordRaw } from "vue-router";

export const routes: RouteRecordRaw[] = [
  { path: "/", component: () => import("./market/Overview.vue") },
  { path: "/partners", component: () => import("./market/Partners.vue") },
  { path: "/partners/:id", component: () => import("./market/Partner.vue") },
  { path: "/offers", component: () => import("./market/Offers.vue") },
  { path: "/offers/:id", component: () => import("./market/Offer.vue") },
  { path: "/grants", component: () => import("./market/Grants.vue") },
  { path: "/proof", component: () => import("./market/Proof.vue") },
  { path: "/intake", component: () => import("./casework/Intake.vue") },
  { path: "/cases", component: () => import("./casework/Cases.vue") },
  { path: "/cases/:id", component: () => import("./casework/Case.vue") },
  { path: "/alarms", component: () => import("./casework/Alarms.vue") },
  { path: "/audit", component: () => import("./casework/Audit.vue") },
  { path: "/queries", component: () => import("./casework/Queries.vue") },
  { path: "/subjects", component: () => import("./casework/Subjects.vue") },
  { path: "/models", component: () => import("./models/Models.vue") },
  { path: "/models/:id", component: () => import("./models/Model.vue") },
  { path: "/models/:id/draft", component: () => import("./models/Draft.vue") },
  { path: "/statistics", component: () => import("./models/Statistics.vue") },
  { path: "/usage", component: () => import("./models/Usage.vue") },
  { path: "/loans", component: () => import("./models/Loans.vue") },
  { path: "/:rest(.*)", redirect: "/" },
];
