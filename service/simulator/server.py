"""The simulator as a whole: mailboxes, tokens, faults and quota behind one address."""

import signal
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from service.simulator.gateway import Gateway
from service.simulator.generate import generate
from service.simulator.http_server import HttpServer
from service.simulator.load import load
from service.simulator.mail import Mail
from service.simulator.mailbox import Mailbox
from service.simulator.publisher import Publisher, Subscription
from service.simulator.quota import Limits, Quota
from service.simulator.state import State
from service.simulator.takeout import write_takeout


class Simulator:
    """A Gmail on this machine, for as long as the `with` block lasts.

    Serves the Gmail API, batches, OAuth and Google's keys under `url` (no slash at the end);
    DESIGN.md §8 (`simulate`). There are no faults and no quota at first. Searches (`q`) are
    rejected; `fields` is ignored.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._state = State()
        self.faults = self._state.faults
        self.issuer = self._state.issuer
        self.requests = self._state.requests
        self.tokens = self._state.tokens
        self._publisher: Publisher | None = None
        self._server = HttpServer(host, port, Gateway(self._state).answer)
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
        """Release what faults hold and close all connections, within 10 seconds."""
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
        """Add or replace a mailbox, and accept these tokens for it."""
        mailbox = Mailbox(email, publish=self._publish)
        mailbox.load(messages)
        self._state.mailboxes[email] = mailbox
        if access_token:
            self.tokens.allow(email, access_token)
        if refresh_token:
            self.tokens.allow_refresh(email, refresh_token)
        return mailbox

    def push_to(self, subscription: Subscription) -> Publisher:
        """From now on push the changes of watched mailboxes. To be called once."""
        self._publisher = Publisher(subscription, self.issuer, self.faults)
        self._publisher.start()
        return self._publisher

    def _publish(self, email: str, history_id: int) -> None:
        if self._publisher:
            self._publisher.publish(email, history_id)

    @property
    def quota(self) -> Quota:
        return self._state.quota

    def set_limits(self, limits: Limits) -> None:
        """Start a quota with nothing spent; `Limits()` means no quota."""
        self._state.quota = Quota(limits)


def run(
    simulator: Simulator,
    mail: Path | None,
    messages: int | None,
    email: str,
    access_token: str,
    takeout: Path | None = None,
) -> None:
    """Serve one mailbox until SIGINT or SIGTERM. Prints its URL once it answers.

    It holds the mail at a path, or a number of generated messages. `takeout` is a folder for an
    export of it. To be called from the main thread.
    """
    stops = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        with simulator:
            found = load(mail) if mail else generate(messages or 0)
            mailbox = simulator.add_mailbox(email, access_token, messages=found)
            if takeout:
                write_takeout(mailbox, takeout)
            count = mailbox.totals()[0]
            print(f"{simulator.url} serves {count} messages of {email}", flush=True)
            signal.sigwait(stops)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
