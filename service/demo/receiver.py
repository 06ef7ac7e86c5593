"""A receiver of webhooks such as an application has: it verifies each event, and shows it."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

# What the service must be allowed to reach.
NETWORK = "127.0.0.0/8"


class WebhookReceiver:
    """Listens on this machine. During a `with` block it answers, once it knows the secret."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.secret = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    event = Webhook(receiver.secret).verify(body, dict(self.headers.items()))
                except WebhookVerificationError:
                    self.send_response(401)
                else:
                    show(f"Webhook: {_in_words(event)}")
                    self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _in_words(event: dict[str, Any]) -> str:
    messages = event["data"].get("message_ids")
    return event["type"] if messages is None else f"{event['type']} ({len(messages)} messages)"
