// Server-sent events that come back by themselves, whatever became of the connection meanwhile.

import { reach } from "./ask.js";

const DOWN_AFTER = 2_000; // a shorter gap is not worth a word
const SILENCE = 40_000; // a run that goes on is heard of each 15 s at least
const SHORTEST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;

/**
 * Follow the syncs of whoever is signed in: `onRun` gets each state, `onDown(true)` is called when
 * the connection has been away for a while and `onDown(false)` when it is back. Nothing is held
 * open while nobody looks.
 */
export function follow(onRun, onDown) {
  let source, downTimer, silenceTimer, retryTimer;
  let pause = SHORTEST_PAUSE;

  function open() {
    close();
    if (document.hidden) return;
    source = new EventSource("/api/gmail/sync/events");
    source.addEventListener("sync", hear);
    source.addEventListener("error", miss);
  }

  function close() {
    source?.close();
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
  }

  function hear(event) {
    const run = JSON.parse(event.data);
    clearTimeout(downTimer);
    clearTimeout(silenceTimer);
    downTimer = undefined;
    pause = SHORTEST_PAUSE;
    onDown(false);
    onRun(run);
    // A network that has gone without a word looks like a run that never goes on.
    if (run.claimed_at && run.in_progress) silenceTimer = setTimeout(reopen, SILENCE);
  }

  function miss() {
    downTimer ??= setTimeout(() => onDown(true), DOWN_AFTER);
    // An answer that is no stream ends it for good; else the browser itself tries again.
    if (source?.readyState === EventSource.CLOSED) retry();
  }

  async function retry() {
    // 401, once the token has expired, leads to sign in.
    const isThere = await reach("/api/gmail/sync/status").then(
      (answer) => answer.ok,
      () => false,
    );
    clearTimeout(retryTimer);
    // At once, but once only: a server that answers may have no stream for us still.
    retryTimer = setTimeout(open, isThere && pause === SHORTEST_PAUSE ? 0 : pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  function reopen() {
    miss();
    open();
  }

  document.addEventListener("visibilitychange", open);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  window.addEventListener("online", open);
  window.addEventListener("offline", miss);
  open();
}
