// The page of the sync: buttons, progress as it comes, and the rest anew when a run has ended.

import { post } from "./ask.js";
import { askPage, renew } from "./fresh.js";
import { advice, counts, duration, followUp, headline, stateOf, timeLeft } from "./phrases.js";
import { follow } from "./stream.js";
import { has, say, shown as written, tell } from "./words.js";

const AGAIN = 5_000;
const part = (id) => document.getElementById(id);
let shown = JSON.parse(part("run").textContent);
let highest = shown.progress_percentage;
let announced = { state: stateOf(shown), quarter: 0 };

/** Show a run, unless a newer state is shown already. */
function show(run) {
  if (isOlder(run)) return;
  const ended = shown.in_progress && !run.in_progress;
  const isAnother = shown.task_id !== run.task_id;
  // The one that takes a run over goes on where it stood, so the bar never falls.
  const goesOn = !isAnother || (shown.in_progress && run.resumes === shown.task_id);
  highest = goesOn && run.in_progress ? Math.max(highest, run.progress_percentage) : run.progress_percentage;
  shown = run;
  write();
  announce();
  if (ended || isAnother) refresh();
}

function isOlder(run) {
  if (run.task_id === null || shown.task_id === null) return false;
  const [mine, theirs] =
    run.task_id === shown.task_id
      ? [shown.updated_at, run.updated_at]
      : [shown.started_at, run.started_at];
  return new Date(theirs) < new Date(mine);
}

function write() {
  set("headline", headline(shown));
  set("advice", advice(shown));
  set("follow-up", followUp(shown));
  set("reason", shown.error_message ?? "");
  set("finished", shown.finished_at ? tell(new Date(shown.finished_at), "moment") : "");
  set("percent", say("sync.percent", { count: highest }));
  set("left", timeLeft(shown));
  for (const name of counts) set(`count-${name}`, written(shown.stats[name]));
  part("count-failed").classList.toggle("bad", shown.stats.failed > 0);
  part("bar").value = highest;
  const bar = part("progress");
  // Whoever has just cancelled by keyboard goes on at the buttons.
  if (!shown.in_progress && bar.contains(document.activeElement)) button("start").focus();
  bar.hidden = !shown.in_progress;
}

function set(id, text) {
  const element = part(id);
  if (element.textContent !== text) element.textContent = text;
}

const button = (action) => document.querySelector(`[data-action=${action}]`);

/** Tell a screen reader of each new state, and each quarter of the way; not each second. */
function announce() {
  const state = stateOf(shown);
  const quarter = Math.floor(highest / 25);
  if (state === announced.state && quarter === announced.quarter) return;
  announced = { state, quarter };
  const percent = shown.in_progress ? ` ${say("sync.percent", { count: highest })}` : "";
  set("announcement", headline(shown) + percent);
}

let again; // the timer of a refresh that failed

/** Take what the server writes, all but the card itself, anew from the server. */
async function refresh() {
  clearTimeout(again);
  again = undefined;
  const page = await askPage(location.href);
  if (page) renew(page, [...document.querySelectorAll("[data-fresh]")].map(({ id }) => id));
  else again = setTimeout(catchUp, AGAIN);
}

function catchUp() {
  if (again && !document.hidden) refresh();
}

const requests = {
  start: () => post("/api/gmail/sync/smart"),
  full: () => post("/api/gmail/sync/smart?force_full=true"),
  cancel: () => post(`/api/gmail/sync/${encodeURIComponent(shown.task_id)}/cancel`),
  retry: () => post("/api/gmail/sync/retry-failed"),
};
const asked = new Set();

/** Ask for what a button says; the server makes one sync of many clicks, this one request. */
async function act(action) {
  if (asked.has(action)) return;
  asked.add(action);
  part("trouble").hidden = true;
  try {
    show(await requests[action]());
  } catch (problem) {
    tellTrouble(problem);
    if (problem.code === "account_not_connected") refresh();
  } finally {
    asked.delete(action);
  }
}

function tellTrouble({ code, seconds }) {
  const key = has(`sync.trouble.${code}`) ? `sync.trouble.${code}` : "sync.trouble.other";
  set("trouble", say(key, { time: duration(seconds || 1) }));
  part("trouble").hidden = false;
}

document.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]")?.dataset.action;
  if (action in requests) act(action);
});

follow(show, (isDown) => {
  part("offline").hidden = !isDown;
  part("progress").classList.toggle("stale", isDown);
  if (!isDown) catchUp();
});
// What went wrong on the way to Google is told once.
const address = new URL(location.href);
address.searchParams.delete("connect_error");
history.replaceState(null, "", address);
// Sentences that hold a time become false when it has passed, and no event tells so.
setInterval(write, 1_000);
write();
