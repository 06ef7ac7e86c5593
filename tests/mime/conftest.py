"""The fixtures of the Gmail client: real mail, and a simulated mailbox in both formats."""

from tests.gmail.conftest import connect, mailbox, real_mail, simulator

__all__ = ["connect", "mailbox", "real_mail", "simulator"]
