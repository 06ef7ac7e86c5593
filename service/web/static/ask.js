// Requests to our own API, by whoever is signed in.

/** An answer that is an error: its stable `code`, and how many seconds to wait, if told. */
export class Problem extends Error {
  constructor(code, seconds) {
    super(code);
    this.code = code;
    this.seconds = seconds;
  }
}

/** The answer to a POST; throws Problem. Whoever is no longer signed in is led to sign in. */
export async function post(path) {
  const answer = await reach(path, { method: "POST" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(body.code ?? "other", Number(answer.headers.get("Retry-After")));
  return body;
}

/** The answer, whatever it is; throws Problem `unreachable` without one. */
export async function reach(path, options = {}) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(20_000), ...options }).catch(() => {
    throw new Problem("unreachable", 0);
  });
  if (answer.status === 401) signIn();
  return answer;
}

/** Where a page is asked for, the server leads to sign in and knows what one may come back to. */
export const signIn = () => location.reload();
