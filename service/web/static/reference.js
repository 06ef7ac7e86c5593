// The API reference. Requests that its reader tries carry the cookie of the page's own sign-in.

const { SwaggerUIBundle } = globalThis;

SwaggerUIBundle({
  url: document.documentElement.dataset.document,
  domNode: document.querySelector("#reference"),
  deepLinking: true,
  docExpansion: "list",
  // One outside address that would be asked.
  validatorUrl: null,
});
