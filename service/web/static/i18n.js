// Messages, numbers and times, formatted as the server formats them.

const language = document.documentElement.lang;
const messages = JSON.parse(document.getElementById("messages")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
const day = { year: "numeric", month: "short", day: "numeric" };
const formats = {
  moment: { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day,
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};
// British English writes 21 Nov 2026, as the server does.
const locale = language === "en" ? "en-GB" : language;

export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A message of the page with its values; `count` chooses the plural. */
export function translate(key, values = {}) {
  const message = messages[key];
  const form = typeof message === "string" ? message : (message[plurals.select(values.count)] ?? message.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => format(values[name]));
}

export function format(value) {
  return typeof value === "number" ? numbers.format(value) : String(value);
}

/** A date as `moment`, `day` or `clock`. */
export function formatDate(date, style) {
  return new Intl.DateTimeFormat(locale, formats[style]).format(date);
}

/** Format every <time> below `root` in the browser's time zone. */
export function localise(root) {
  for (const time of root.querySelectorAll("time[data-style]")) {
    time.textContent = formatDate(new Date(time.dateTime), time.dataset.style);
  }
}
