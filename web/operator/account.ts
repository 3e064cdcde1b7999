/** Which views somebody has. One thing to know: the server decides at each request (`@access` in the schema); this only
 * keeps out of sight what it would refuse. */
import { computed, type ComputedRef } from "vue";
import { useClient } from "../shared/page";

export type Account = "OPERATOR" | "REVIEWER" | "AUDITOR" | "PROVIDER";
export const ACCOUNTS: Account[] = ["OPERATOR", "REVIEWER", "AUDITOR", "PROVIDER"];
const STAFF: Account[] = ["OPERATOR", "REVIEWER"];
const OVERSEERS: Account[] = [...STAFF, "AUDITOR"];

/** The menu: groups of views, each with whom it is for. */
export const MENU: { group: string; views: { path: string; name: string; to: Account[] }[] }[] = [
  {
    group: "market",
    views: [
      { path: "/", name: "overview", to: ACCOUNTS },
      { path: "/partners", name: "partners", to: OVERSEERS },
      { path: "/offers", name: "offers", to: STAFF },
      { path: "/grants", name: "grants", to: ["OPERATOR"] },
      { path: "/proof", name: "proof", to: ACCOUNTS },
    ],
  },
  {
    group: "casework",
    views: [
      { path: "/intake", name: "intake", to: ACCOUNTS },
      { path: "/cases", name: "cases", to: [...STAFF, "PROVIDER"] },
      { path: "/subjects", name: "subjects", to: STAFF },
      { path: "/queries", name: "queries", to: ["REVIEWER", "PROVIDER"] },
      { path: "/alarms", name: "alarms", to: OVERSEERS },
      { path: "/audit", name: "audit", to: ["REVIEWER", "AUDITOR"] },
    ],
  },
  {
    group: "models",
    views: [
      { path: "/models", name: "models", to: OVERSEERS },
      { path: "/statistics", name: "statistics", to: OVERSEERS },
      { path: "/usage", name: "usage", to: ["OPERATOR", "AUDITOR"] },
      { path: "/loans", name: "loans", to: OVERSEERS },
    ],
  },
];

/** The account that is signed in, as the schema's `@access` names it; undefined while nobody is. It is still
 * that of whoever has to sign in again. */
export function useAccount(): ComputedRef<Account | undefined> {
  const { session } = useClient();
  return computed(() => session.owner?.account as Account | undefined);
}

/** Whether a view is for an account. */
export const mayOpen = (path: string, account: Account | undefined): boolean =>
  MENU.some(({ views }) => views.some((view) => view.path === path && account !== undefined && view.to.includes(account)));
