"""What the parts of the simulator share: its state, and an answer on its way out."""

import msgspec

from service.simulator.faults import ArmedFault, Faults
from service.simulator.http_types import Response
from service.simulator.mailbox import Mailbox
from service.simulator.oidc import OidcIssuer
from service.simulator.quota import Limits, Quota
from service.simulator.requestlog import RequestLog
from service.simulator.tokens import Tokens


class Answer(msgspec.Struct):
    """A response, and the fault in how it is to be sent, if any."""

    response: Response
    delivery: ArmedFault | None = None


class State:
    """Everything in it is thread-safe. There are no faults and no quota at first."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, Mailbox] = {}
        self.issuer = OidcIssuer()
        self.tokens = Tokens(self.issuer)
        self.faults = Faults()
        self.requests = RequestLog()
        self.quota = Quota(Limits())
