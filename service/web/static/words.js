// Words, numbers and times, as the server would write them.

const language = document.documentElement.lang;
const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
const day = { year: "numeric", month: "short", day: "numeric" };
const formats = {
  moment: { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day,
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};
// Of English, the one that writes 21 Nov 2026.
const locale = language === "en" ? "en-GB" : language;

export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const has = (key) => key in words;

/** A word of the page's `words`, with its values; `count` chooses the plural. */
export function say(key, values = {}) {
  const word = words[key];
  const form = typeof word === "string" ? word : (word[plurals.select(values.count)] ?? word.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

export function shown(value) {
  return typeof value === "number" ? numbers.format(value) : String(value);
}

/** A date as `moment`, `day` or `clock`. */
export function tell(date, style) {
  return new Intl.DateTimeFormat(locale, formats[style]).format(date);
}

/** Write every <time> below `root` in the browser's time zone. */
export function localise(root) {
  for (const time of root.querySelectorAll("time[data-style]")) {
    time.textContent = tell(new Date(time.dateTime), time.dataset.style);
  }
}
