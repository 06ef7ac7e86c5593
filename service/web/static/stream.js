// Server-sent events that reconnect after every kind of failure.

import { url } from "./links.js";
import { request } from "./request.js";

const DOWN_AFTER = 2_000; // shorter gaps are not shown
const SILENCE = 40_000; // a running sync sends something every 15 s
const SHORTEST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;

/**
 * Follow the user's syncs. `onRun` gets each event; `onDown` gets true when the connection has been
 * lost for a while, and false when it is back. A hidden page has no connection.
 */
export function follow(onRun, onDown) {
  let source, downTimer, silenceTimer, retryTimer;
  let pause = SHORTEST_PAUSE;

  function open() {
    close();
    if (document.hidden) return;
    source = new EventSource(url("/api/gmail/sync/events"));
    source.addEventListener("sync", receive);
    source.addEventListener("error", lose);
  }

  function close() {
    source?.close();
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
  }

  function receive(event) {
    const run = JSON.parse(event.data);
    clearTimeout(downTimer);
    clearTimeout(silenceTimer);
    downTimer = undefined;
    pause = SHORTEST_PAUSE;
    onDown(false);
    onRun(run);
    // A network that was lost silently looks like a run without progress.
    if (run.claimed_at && run.in_progress) silenceTimer = setTimeout(reopen, SILENCE);
  }

  function lose() {
    downTimer ??= setTimeout(() => onDown(true), DOWN_AFTER);
    // A response that is not a stream closes it for good. Otherwise the browser reconnects itself.
    if (source?.readyState === EventSource.CLOSED) retry();
  }

  async function retry() {
    // 401, after the token has expired, leads to sign in.
    const isUp = await request(url("/api/gmail/sync/status")).then(
      (answer) => answer.ok,
      () => false,
    );
    clearTimeout(retryTimer);
    // Immediately, but only once: a server that is up may still refuse streams.
    retryTimer = setTimeout(open, isUp && pause === SHORTEST_PAUSE ? 0 : pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  function reopen() {
    lose();
    open();
  }

  document.addEventListener("visibilitychange", open);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  window.addEventListener("online", open);
  window.addEventListener("offline", lose);
  open();
}
