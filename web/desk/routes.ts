/** Where everything on this page lies; each view comes in when it is opened. */
import type { RouteRecordRaw } from "vue-router";

export const routes: RouteRecordRaw[] = [
  { path: "/", component: () => import("./counter/Scan.vue") },
  { path: "/today", component: () => import("./counter/Today.vue") },
  { path: "/orders", component: () => import("./counter/Orders.vue") },
  { path: "/loans", component: () => import("./counter/Loans.vue") },
  { path: "/settlement", component: () => import("./back/Settlement.vue") },
  { path: "/keys", component: () => import("./back/Keys.vue") },
  { path: "/webhooks", component: () => import("./back/Webhooks.vue") },
  { path: "/sandbox", component: () => import("./back/Sandbox.vue") },
  { path: "/conformance", component: () => import("./back/Conformance.vue") },
  { path: "/offers", component: () => import("./back/Offers.vue") },
  { path: "/offers/new", component: () => import("./back/OfferForm.vue") },
  { path: "/offers/:id", component: () => import("./back/Offer.vue"), props: true },
  { path: "/offers/:id/change", component: () => import("./back/OfferForm.vue"), props: true },
  { path: "/membership", component: () => import("./back/Membership.vue") },
  { path: "/labels", component: () => import("./back/Labels.vue") },
  { path: "/gates", component: () => import("./gate/Gates.vue") },
  { path: "/apply", component: () => import("./back/Apply.vue") },
  { path: "/:rest(.*)", redirect: "/" },
];
