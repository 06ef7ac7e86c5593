// Requests to our own API, for the user who is signed in.

/** An error response: its stable `code`, and how many seconds to wait, if the server says so. */
export class Problem extends Error {
  constructor(code, seconds) {
    super(code);
    this.code = code;
    this.seconds = seconds;
  }
}

/** POST; throws Problem. If the session has ended, the page leads to sign in. */
export async function post(path) {
  const response = await request(path, { method: "POST" });
  if (response.ok) return;
  const body = await response.json().catch(() => ({}));
  throw new Problem(body.code ?? "other", Number(response.headers.get("Retry-After")));
}

/** The response, whatever its status; throws Problem `unreachable` without one. */
export async function request(path, options = {}) {
  const response = await fetch(path, { signal: AbortSignal.timeout(20_000), ...options }).catch(() => {
    throw new Problem("unreachable", 0);
  });
  if (response.status === 401) signIn();
  return response;
}

/** The server leads a page to sign in, and back to the same address. */
export const signIn = () => location.reload();
