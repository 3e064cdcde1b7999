/** Light or dark: as the system says, until somebody chooses. Both component libraries look for a class on `html`. */
import { useDark, useToggle } from "@vueuse/core";

export const isDark = useDark({
  storageKey: "xinyi-theme",
  // It is done by writing styles into the page, which the pages' policy refuses.
  disableTransition: false,
  onChanged: (dark, apply, mode) => {
    apply(mode);
    document.documentElement.classList.toggle("van-theme-dark", dark);
  },
});
export const switchTheme = useToggle(isDark);
