// For every page: times in the browser's own time zone, and menus that close.

import { localise, timeZone } from "./i18n.js";
import { prefix } from "./links.js";

// The server does this itself from the next page on.
if (document.documentElement.dataset.timeZone !== timeZone) {
  document.cookie = `time_zone=${encodeURIComponent(timeZone)}; path=${prefix || "/"}; max-age=31536000; samesite=lax`;
  localise(document);
}

const openMenus = () => [...document.querySelectorAll("details.menu[open]")];

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) menu.open = menu.contains(event.target);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
