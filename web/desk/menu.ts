/** The desk's views. One thing to know: the server decides at each request (`@access` in the schema); this only keeps out
 * of sight what it would refuse. */
import type { Account } from "./duty";

interface View {
  path: string;
  name: string;
  to: Account[];
  /** Shown where a partner has such a thing at all. */
  only?: "orders" | "loans";
}
const COUNTER: Account[] = ["PARTNER"];
const BACK: Account[] = ["REPRESENTATIVE"];
const BOTH: Account[] = ["PARTNER", "REPRESENTATIVE"];

export const MENU: { group: string; views: View[] }[] = [
  {
    group: "counter",
    views: [
      { path: "/", name: "scan", to: COUNTER },
      { path: "/today", name: "today", to: COUNTER },
      { path: "/orders", name: "orders", to: COUNTER, only: "orders" },
      { path: "/loans", name: "loans", to: COUNTER, only: "loans" },
      { path: "/gates", name: "gates", to: BOTH },
    ],
  },
  {
    group: "back",
    views: [
      { path: "/membership", name: "membership", to: ["REPRESENTATIVE", "APPLICANT"] },
      { path: "/offers", name: "offers", to: BACK },
      { path: "/settlement", name: "settlement", to: BOTH },
      { path: "/labels", name: "labels", to: BOTH },
    ],
  },
  {
    group: "systems",
    views: [
      { path: "/keys", name: "keys", to: ["REPRESENTATIVE", "APPLICANT"] },
      { path: "/webhooks", name: "webhooks", to: BOTH },
      { path: "/sandbox", name: "sandbox", to: BOTH },
      { path: "/conformance", name: "conformance", to: BOTH },
    ],
  },
];

/** Where somebody begins. */
export const firstView = (account: Account | undefined): string => (account === undefined || account === "PARTNER" ? "/" : "/membership");
/** Whether a view is for an account. */
export const mayOpen = (path: string, account: Account | undefined): boolean =>
  path === "/apply" || MENU.some(({ views }) => views.some((view) => view.path === path && account !== undefined && view.to.includes(account)));
