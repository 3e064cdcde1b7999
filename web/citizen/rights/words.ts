/** Words of one area of these views. One thing to know: a code that has no words is shown as it is, never hidden. */
import { useI18n } from "vue-i18n";

type Given = Record<string, string | number>;

export function useWords(area: string): { w: (key: string, given?: Given) => string; named: (kind: string, code: string) => string; t: (key: string) => string } {
  const { t, te } = useI18n();
  const at = (key: string) => `rights.${area}.${key}`;
  return {
    w: (key, given = {}) => t(at(key), given),
    // A word for a code, such as a state.
    named: (kind, code) => (te(at(`${kind}.${code}`)) ? t(at(`${kind}.${code}`)) : code),
    t,
  };
}
