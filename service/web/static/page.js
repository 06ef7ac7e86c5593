// What every page does: times in the browser's own time zone.

import { localise, timeZone } from "./words.js";

// The server writes them so from the next page on.
if (document.documentElement.dataset.timeZone !== timeZone) {
  document.cookie = `time_zone=${encodeURIComponent(timeZone)}; path=/; max-age=31536000; samesite=lax`;
  localise(document);
}
