// Puts the answers of the page's forms in their places, and looks anew when one comes back.

import { askPage, renew } from "./fresh.js";

const PATIENCE = 60_000; // an act on all the rows there are takes its time
const part = (id) => document.getElementById(id);
let turn = Promise.resolve();
let underway = 0;

/** Ask for the page once all that was asked before is done with: no click is lost. */
async function ask(parts, request) {
  underway += 1;
  part("live").ariaBusy = "true";
  turn = turn.then(() => takeOver(parts, request));
  await turn;
  underway -= 1;
  part("live").ariaBusy = String(underway > 0);
}

async function takeOver(parts, request) {
  const page = await askPage("/operator", { signal: AbortSignal.timeout(PATIENCE), ...request });
  part("away").hidden = page !== null;
  if (page) await show(page, parts);
}

/** Show the parts; a question is shown until it is answered. */
async function show(page, parts) {
  // Behind a question nothing moves, and whoever says no is where they were.
  renew(page, page.querySelector("dialog") ? ["result"] : parts);
  if (!parts.includes("result")) return;
  const question = document.querySelector("dialog");
  if (!question) return part("done")?.focus();
  question.removeAttribute("open");
  question.showModal();
  await new Promise((answered) => question.addEventListener("close", answered, { once: true }));
}

function refresh() {
  if (underway === 0) ask(["live"]);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("action") !== "/operator") return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  form.closest("dialog")?.close();
  ask(["result", "live"], { method: "POST", body });
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
