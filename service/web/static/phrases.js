// What a run is doing, in the person's words: as service/web/phrases.py says it.

import { has, say, tell } from "./words.js";

export const counts = ["new", "updated", "deleted", "failed"];

/** Which of the words sync.state and sync.advice it is. */
export function stateOf(run) {
  const isAhead = (time) => time !== null && new Date(time) > new Date();
  if (run.phase === "done") return run.successor ? "goes_on" : (run.outcome ?? "failed");
  if (["queued", "waiting"].includes(run.phase) && isAhead(run.waiting_until)) return "waiting_until";
  if (run.phase === "queued" && isAhead(run.not_before)) return "retrying";
  return run.worker_missing ? "worker_missing" : (run.phase ?? "never");
}

export function headline(run) {
  const state = stateOf(run);
  const until = state === "retrying" ? run.not_before : run.waiting_until;
  return say(`sync.state.${state}`, {
    count: run.stats.found,
    done: run.stats.found - run.stats.pending,
    time: tell(until ? new Date(until) : new Date(), "clock"),
  });
}

export function advice(run) {
  const key = `sync.advice.${stateOf(run)}`;
  return has(key) ? say(key) : "";
}

/** What the running sync was asked for meanwhile, and will be done after it. */
export function followUp(run) {
  return run.in_progress && run.follow_up ? say(`sync.follow_up.${run.follow_up}`) : "";
}

export function timeLeft(run) {
  return run.eta_seconds === null ? "" : say("sync.left", { time: duration(run.eta_seconds) });
}

/** In the largest unit that counts to two, so that it changes calmly. */
export function duration(seconds) {
  if (seconds >= 7200) return say("sync.duration.hours", { count: Math.round(seconds / 3600) });
  if (seconds >= 120) return say("sync.duration.minutes", { count: Math.round(seconds / 60) });
  return say("sync.duration.seconds", { count: Math.max(1, Math.round(seconds)) });
}
