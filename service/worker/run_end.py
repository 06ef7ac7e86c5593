"""How a run can end other than by success.

RunEnd
├── Failed        for good: in words for the person, with the state the account is left in
├── HandedOver    to a successor: a failure worth another try, or a wait too long to sit out
└── Drained       to a successor at once: this worker shuts down
"""

from datetime import datetime


class RunEnd(Exception):
    """Raised within a sync to end its run; the message is for a person."""


class Failed(RunEnd):
    def __init__(self, message: str, account_status: str | None = None) -> None:
        super().__init__(message)
        self.account_status = account_status


class HandedOver(RunEnd):
    """not_before is when the successor may start; None leaves it to the number of tries."""

    def __init__(
        self, message: str, not_before: datetime | None = None, *, charge_attempt: bool = True
    ) -> None:
        super().__init__(message)
        self.not_before = not_before
        self.charge_attempt = charge_attempt


class Drained(HandedOver):
    def __init__(self) -> None:
        super().__init__("The worker was shut down; another one goes on.", charge_attempt=False)
