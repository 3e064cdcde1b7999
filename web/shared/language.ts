/** Chinese first, English by choice. One thing to know: the server's own sentences follow, by `Accept-Language`. */
import { ref, watchEffect } from "vue";
import { createI18n, type I18n } from "vue-i18n";
import en from "./words/en";
import zh from "./words/zh";

export type Language = "zh-CN" | "en";
const KEY = "xinyi-language";

export const language = ref<Language>(localStorage.getItem(KEY) === "en" ? "en" : "zh-CN");

type Words = { [key: string]: string | Words };

/** The words of a page on top of those that all pages share; `t("page.key")` finds them. */
export function createWords(own: { zh: Words; en: Words }): I18n {
  const messages = { "zh-CN": { ...zh, ...own.zh }, en: { ...en, ...own.en } };
  const i18n = createI18n({ legacy: false, locale: language.value, fallbackLocale: "zh-CN", messages });
  watchEffect(() => {
    i18n.global.locale.value = language.value;
    document.documentElement.lang = language.value;
    localStorage.setItem(KEY, language.value);
  });
  return i18n as unknown as I18n;
}

/** A sentence in the reader's language, for modules that are no view and have no words of their own. */
export const bilingual = (zh: string, en: string): string => (language.value === "en" ? en : zh);

/** Several names in a row. */
export const listed = (names: readonly string[]): string => names.join(bilingual("、", ", "));

/** The other language. */
export function switchLanguage(): void {
  language.value = language.value === "en" ? "zh-CN" : "en";
}
