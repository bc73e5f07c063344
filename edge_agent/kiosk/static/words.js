// Every text of the kiosk: one catalogue a language, the same files that the agent reads.
import en from "./words.en.json" with { type: "json" };
import ko from "./words.ko.json" with { type: "json" };

export const CATALOGUES = { ko, en };
export const OTHER = { ko: "en", en: "ko" };

// `{…}` is filled in from `values`.
export function fill(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function tell(language, key, values) {
  return fill(CATALOGUES[language][key], values);
}

export function tellAge(language, seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return tell(language, "seconds", { n: s });
  if (s < 7200) return tell(language, "minutes", { n: Math.round(s / 60) });
  return tell(language, "hours", { n: Math.round(s / 3600) });
}

export function tellError(language, ms) {
  if (ms < 1000) return tell(language, "millis", { n: Math.round(ms) });
  return tellAge(language, ms / 1000);
}
