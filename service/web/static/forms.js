// Sends the forms of the page without leaving it, and refreshes it when the user comes back.

import { fetchPage, replaceParts } from "./fresh.js";

// What a form began may take a moment to show, where the page says so.
const LOOK_AGAIN = [1_000, 3_000, 9_000];
const TIMEOUT = 60_000; // an action on all rows may take long
const part = (id) => document.getElementById(id);
let queue = Promise.resolve();
let pending = 0;

/** Load the page after all earlier requests are done, so no click is lost. */
async function ask(parts, request) {
  pending += 1;
  part("live").ariaBusy = "true";
  queue = queue.then(() => load(parts, request));
  await queue;
  pending -= 1;
  part("live").ariaBusy = String(pending > 0);
}

async function load(parts, request) {
  const page = await fetchPage(location.pathname + location.search, { signal: AbortSignal.timeout(TIMEOUT), ...request });
  part("away").hidden = page !== null;
  if (page) await show(page, parts);
}

/** Show the parts; a question stays until it is answered. */
async function show(page, parts) {
  // Behind a question nothing changes, so that Cancel leads back to the same page.
  replaceParts(page, page.querySelector("dialog") ? ["result"] : parts);
  if (!parts.includes("result")) return;
  const question = document.querySelector("dialog");
  if (!question) return part("done")?.focus();
  question.removeAttribute("open");
  question.showModal();
  await new Promise((answered) => question.addEventListener("close", answered, { once: true }));
}

function refresh() {
  if (pending === 0) ask(["live"]);
}

function lookAgain() {
  if ("follow" in part("live").dataset) LOOK_AGAIN.forEach((delay) => setTimeout(refresh, delay));
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || new URL(form.getAttribute("action"), location).pathname !== location.pathname) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  form.closest("dialog")?.close();
  await ask(["result", "live"], { method: "POST", body });
  if ("reset" in form.dataset && part("away").hidden && document.querySelector("#result .good")) form.reset();
  lookAgain();
});

part("refresh").addEventListener("click", (event) => {
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
// The page may be the response to a form that was sent before this script was here.
if (part("done")) lookAgain();
