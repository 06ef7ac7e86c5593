// Puts the answers of the page's forms in their places, and looks anew when one comes back.

import { localise } from "./words.js";

const away = document.getElementById("away");
let underway = false;

/** Ask for the page, and take over those of its parts that `parts` names. */
async function ask(parts, request) {
  if (underway) return;
  underway = true;
  document.getElementById("live").ariaBusy = "true";
  try {
    const answer = await fetch("/operator", { signal: AbortSignal.timeout(60_000), ...request });
    // Signed out, or no operator any more: the server leads on.
    if (answer.redirected || answer.status === 403) location.assign("/operator");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    away.hidden = Boolean(page.getElementById("live"));
    if (away.hidden) show(page, parts);
  } catch {
    away.hidden = false;
  } finally {
    underway = false;
    document.getElementById("live").ariaBusy = "false";
  }
}

function show(page, parts) {
  const key = document.activeElement?.dataset.key;
  const question = page.querySelector("dialog");
  for (const part of parts) {
    // Behind a question nothing moves, and whoever says no is where they were.
    if (question && part === "live") continue;
    const fresh = page.getElementById(part);
    localise(fresh);
    document.getElementById(part).replaceWith(fresh);
  }
  if (question) {
    question.removeAttribute("open");
    question.showModal();
  } else if (parts.includes("result")) {
    document.getElementById("done")?.focus();
  } else if (key) {
    document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }
}

function refresh() {
  if (!document.querySelector("dialog[open]")) ask(["live"], {});
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("action") !== "/operator") return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  form.closest("dialog")?.close();
  ask(["result", "live"], { method: "POST", body });
});

document.getElementById("refresh").addEventListener("click", (event) => {
  event.preventDefault();
  refresh();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refresh();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) refresh();
});
addEventListener("online", refresh);
