// Parts of a page replaced by what the server renders now.

import { localise } from "./i18n.js";
import { request } from "./request.js";

/** The page as the server renders it now; null if it cannot. */
export async function fetchPage(address, options) {
  const response = await request(address, options).catch(() => null);
  // Signed out or no longer allowed: the server says where to go.
  if (response?.redirected || response?.status === 403) location.reload();
  const text = response?.ok && !response.redirected && (await response.text().catch(() => null));
  return text ? new DOMParser().parseFromString(text, "text/html") : null;
}

/** Replace the parts with these ids by those of `page`. */
export function replaceParts(page, ids) {
  for (const id of ids) {
    const [current, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (!fresh) continue;
    localise(fresh);
    if (fresh.innerHTML !== current.innerHTML) replace(current, fresh);
  }
}

/** Replace the content and keep the focus. */
function replace(current, fresh) {
  const focused = current.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  current.replaceChildren(...fresh.childNodes);
  if (focused === null) return;
  const again = [...current.querySelectorAll("a, button")].find((each) => nameOf(each) === focused);
  (again ?? document.getElementById("main")).focus();
}

const nameOf = (element) => element.dataset.key ?? element.textContent;
