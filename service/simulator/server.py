"""The simulator as a whole: mailboxes, tokens, faults and quota behind one address."""

import signal
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from service.simulator.faults import Faults
from service.simulator.gateway import Gateway
from service.simulator.generate import generate
from service.simulator.http_server import HttpServer
from service.simulator.load import load
from service.simulator.mail import Mail
from service.simulator.mailbox import Mailbox
from service.simulator.oidc import OidcIssuer
from service.simulator.publisher import Publisher, Subscription
from service.simulator.quota import Limits, Quota
from service.simulator.requestlog import RequestLog
from service.simulator.tokens import Tokens


class Simulator:
    """A Gmail on this machine, for as long as the `with` block lasts.

    Serves the Gmail API, batches, OAuth and Google's keys under `url` (no slash at the end);
    DESIGN.md §8 (`simulate`). No faults and no quota until asked. Searches (`q`) are refused;
    `fields` is ignored.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._mailboxes: dict[str, Mailbox] = {}
        self._gateway = Gateway(self._mailboxes)
        self._publisher: Publisher | None = None
        self._server = HttpServer(host, port, self._gateway.answer)
        bound_host, bound_port = self._server.server_address[:2]
        self.url = f"http://{bound_host!s}:{bound_port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Release what faults hold, close all connections; takes 10 seconds at most."""
        self.faults.clear()
        if self._publisher:
            self._publisher.stop()
        self._server.stop()

    def add_mailbox(
        self,
        email: str,
        access_token: str = "",
        refresh_token: str = "",
        messages: Iterable[Mail] = (),
    ) -> Mailbox:
        """A mailbox, in place of any before it, and the tokens that are good for it."""
        mailbox = Mailbox(email, publish=self._publish)
        mailbox.load(messages)
        self._mailboxes[email] = mailbox
        if access_token:
            self.tokens.allow(email, access_token)
        if refresh_token:
            self.tokens.allow_refresh(email, refresh_token)
        return mailbox

    def push_to(self, subscription: Subscription) -> Publisher:
        """From now on push the changes of watched mailboxes; what does so. To be called once."""
        self._publisher = Publisher(subscription, self.identity, self.faults)
        self._publisher.start()
        return self._publisher

    def _publish(self, email: str, history_id: int) -> None:
        if self._publisher:
            self._publisher.publish(email, history_id)

    @property
    def identity(self) -> OidcIssuer:
        return self._gateway.identity

    @property
    def faults(self) -> Faults:
        return self._gateway.faults

    @property
    def requests(self) -> RequestLog:
        return self._gateway.requests

    @property
    def tokens(self) -> Tokens:
        return self._gateway.tokens

    @property
    def quota(self) -> Quota:
        return self._gateway.quota

    def set_limits(self, limits: Limits) -> None:
        """Put a quota in force, with nothing spent yet; `Limits()` is none."""
        self._gateway.quota = Quota(limits)


def run(
    port: int,
    mail: Path | None,
    messages: int | None,
    email: str,
    access_token: str,
    host: str = "127.0.0.1",
) -> None:
    """Serve one mailbox until SIGINT or SIGTERM. Prints its URL once it answers.

    The mail of a path, or that many generated messages, or none. To be called from the main thread.
    """
    stops = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        found = load(mail) if mail else generate(messages or 0)
        with Simulator(host, port) as simulator:
            mailbox = simulator.add_mailbox(email, access_token, messages=found)
            count = mailbox.totals()[0]
            print(f"{simulator.url} serves {count} messages of {email}", flush=True)
            signal.sigwait(stops)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
