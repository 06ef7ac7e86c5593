// The page of the sync: buttons, live progress, and a refresh when a run has ended.

import { fetchPage, replaceParts } from "./fresh.js";
import { format, formatDate, translate } from "./i18n.js";
import { follow } from "./stream.js";

const RETRY_AFTER = 5_000;
const part = (id) => document.getElementById(id);
let shown = JSON.parse(part("run").textContent);
let highest = shown.progress_percentage;
let announced = { state: shown.text.state, quarter: 0 };

/** Show a run, unless a newer state is already shown. */
function show(run) {
  if (isOlder(run)) return;
  const ended = shown.in_progress && !run.in_progress;
  const isAnother = shown.task_id !== run.task_id;
  // A successor continues where the run stopped, so the bar never goes back.
  const continues = !isAnother || (shown.in_progress && run.resumes === shown.task_id);
  highest = continues && run.in_progress ? Math.max(highest, run.progress_percentage) : run.progress_percentage;
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
  part("task").value = shown.task_id ?? "";
  set("headline", shown.text.headline);
  set("advice", shown.text.advice);
  set("follow-up", shown.text.follow_up);
  set("reason", shown.text.reason);
  part("reason").lang = shown.error_code ? document.documentElement.lang : "en";
  set("finished", shown.finished_at ? formatDate(new Date(shown.finished_at), "moment") : "");
  set("percent", translate("sync.percent", { count: highest }));
  set("left", shown.text.time_left);
  for (const { id } of document.querySelectorAll("[id^=count-]")) {
    set(id, format(shown.stats[id.replace("count-", "")]));
  }
  part("count-imported").parentElement.hidden = !shown.stats.imported;
  part("takeout").hidden = !shown.takeout_saves_time;
  part("count-failed").classList.toggle("bad", shown.stats.failed > 0);
  part("bar").value = highest;
  const bar = part("progress");
  // After Cancel by keyboard, the focus moves to the buttons.
  if (!shown.in_progress && bar.contains(document.activeElement)) button("start").focus();
  bar.hidden = !shown.in_progress;
}

function set(id, text) {
  const element = part(id);
  if (element.textContent !== text) element.textContent = text;
}

const button = (action) => document.querySelector(`button[value=${action}]`);

/** Announce each new state and each quarter of the way to screen readers, not each second. */
function announce() {
  const state = shown.text.state;
  const quarter = Math.floor(highest / 25);
  if (state === announced.state && quarter === announced.quarter) return;
  announced = { state, quarter };
  const percent = shown.in_progress ? ` ${translate("sync.percent", { count: highest })}` : "";
  set("announcement", shown.text.headline + percent);
}

let retryTimer; // of a refresh that failed

/** Replace all parts but the card of the sync by what the server renders now. */
async function refresh() {
  clearTimeout(retryTimer);
  retryTimer = undefined;
  const page = await fetchPage(location.href);
  if (page) replace(page);
  else retryTimer = setTimeout(catchUp, RETRY_AFTER);
}

function catchUp() {
  if (retryTimer && !document.hidden) refresh();
}

const replace = (page) =>
  replaceParts(page, [...document.querySelectorAll("[data-fresh]")].map(({ id }) => id));

const pending = new Set();

/** Send what a button asks for, once at a time. The stream reports what came of it. */
async function act(form, button) {
  const action = button.value;
  if (pending.has(action)) return;
  pending.add(action);
  const body = new URLSearchParams(new FormData(form, button));
  const page = await fetchPage(location.href, { method: "POST", body });
  pending.delete(action);
  part("unanswered").hidden = page !== null;
  if (page) replace(page);
}

part("act").addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.target, event.submitter);
});

follow(show, (isDown) => {
  part("offline").hidden = !isDown;
  part("progress").classList.toggle("stale", isDown);
  if (!isDown) catchUp();
});
// An error of connecting is shown once.
const address = new URL(location.href);
address.searchParams.delete("connect_error");
history.replaceState(null, "", address);
write();
