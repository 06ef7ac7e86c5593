// The one place that makes addresses of this service in scripts.

/** What all paths begin with behind a proxy that serves us below a path; else empty. */
export const prefix = document.documentElement.dataset.prefix;

/** A path of this service as the browser reaches it. */
export const url = (path) => prefix + path;
