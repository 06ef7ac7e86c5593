"""The ways a run can end without success.

RunEnd
├── Failed             permanently; may also change the account's status
└── HandedOver         to a successor: after a temporary failure, or for a long wait
    └── Drained        to a successor at once, because this worker shuts down
"""

from datetime import datetime


class RunEnd(Exception):
    """Ends the run; the message is for a person."""


class Failed(RunEnd):
    def __init__(self, message: str, account_status: str | None = None) -> None:
        super().__init__(message)
        self.account_status = account_status


class HandedOver(RunEnd):
    """The successor starts at not_before; None lets the database choose by the attempt."""

    def __init__(
        self, message: str, not_before: datetime | None = None, *, charge_attempt: bool = True
    ) -> None:
        super().__init__(message)
        self.not_before = not_before
        self.charge_attempt = charge_attempt


class Drained(HandedOver):
    def __init__(self) -> None:
        super().__init__("The worker was shut down; another one goes on.", charge_attempt=False)
