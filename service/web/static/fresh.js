// Parts of a page taken anew from the server, which alone writes them.

import { reach } from "./ask.js";
import { localise } from "./words.js";

/** The page as the server writes it now; null when it does not. */
export async function askPage(address, options) {
  const answer = await reach(address, options).catch(() => null);
  // Signed out, or not allowed to see it any more: the server leads on.
  if (answer?.redirected || answer?.status === 403) location.reload();
  const text = answer?.ok && !answer.redirected && (await answer.text().catch(() => null));
  return text ? new DOMParser().parseFromString(text, "text/html") : null;
}

/** Put what is new in the parts of these ids in the place of what is old. */
export function renew(page, ids) {
  for (const id of ids) {
    const [old, anew] = [document.getElementById(id), page.getElementById(id)];
    if (!anew) continue;
    localise(anew);
    if (anew.innerHTML !== old.innerHTML) replace(old, anew);
  }
}

/** With the focus where it was. */
function replace(old, anew) {
  const focused = old.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  old.replaceChildren(...anew.childNodes);
  if (focused === null) return;
  const again = [...old.querySelectorAll("a, button")].find((each) => nameOf(each) === focused);
  (again ?? document.getElementById("main")).focus();
}

const nameOf = (element) => element.dataset.key ?? element.textContent;
