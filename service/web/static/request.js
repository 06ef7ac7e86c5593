// Requests to this service, for the user who is signed in.

/** The response, whatever its status; throws without one. */
export async function request(path, options = {}) {
  const response = await fetch(path, { signal: AbortSignal.timeout(20_000), ...options });
  // The server leads a page to sign in, and back to the same address.
  if (response.status === 401) location.reload();
  return response;
}
