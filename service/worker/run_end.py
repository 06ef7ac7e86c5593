"""The ways a run can end without success.

RunEnd
├── Failed             permanently; `refusal` also changes the account's status
└── HandedOver         to a successor: after a temporary failure, or for a long wait
    └── Drained        to a successor at once, because this worker shuts down
"""

from datetime import datetime


class RunEnd(Exception):
    """Ends the run; the message is for a person, `code` one of the run's known_error_code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Failed(RunEnd):
    """`refusal` is a code of gmail_sync.refusal."""

    def __init__(self, code: str, message: str, refusal: str | None = None) -> None:
        super().__init__(code, message)
        self.refusal = refusal


class HandedOver(RunEnd):
    """The successor starts at not_before; None lets the database choose by the attempt."""

    def __init__(
        self,
        code: str,
        message: str,
        not_before: datetime | None = None,
        *,
        charge_attempt: bool = True,
    ) -> None:
        super().__init__(code, message)
        self.not_before = not_before
        self.charge_attempt = charge_attempt


class Drained(HandedOver):
    def __init__(self) -> None:
        super().__init__(
            "worker_stopped", "The worker was shut down; another one goes on.", charge_attempt=False
        )
