/** Words that all pages share. */
export default {
  app: "Xinyi+",
  state: {
    loading: "Loading…",
    empty: "Nothing here yet.",
    failed: "This could not be read.",
    unreachable: "The server cannot be reached. Check your network; the page tries again by itself.",
    retry: "Try again",
    offline: "Connection lost, reconnecting…",
    healed: "Connected again.",
    more: "Show more",
    renewed: "There is a new version of this page: please reload.",
  },
  act: { ok: "OK", cancel: "Cancel", close: "Close", save: "Save", back: "Back", copy: "Copy", copied: "Copied", download: "Download", confirm: "Please confirm", search: "Search", refresh: "Refresh" },
  sign: {
    title: "Sign in",
    out: "Sign out",
    ended: "Your session has ended. Please sign in again.",
    demo: "Demo city: choose who you are (all made up)",
    with: "Sign in with {name}",
    none: "No way to sign in is configured here. Please ask the administrator.",
    go: "Enter",
    number: "Number",
  },
  page: { dark: "Dark", light: "Light", language: "中文", skip: "Skip to content", menu: "Menu" },
};
