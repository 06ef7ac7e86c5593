"""A Gmail simulator: a real HTTP server that speaks the Gmail REST API, for tests and demos."""

from service.simulator.consent import Decision
from service.simulator.errors import ApiError
from service.simulator.faults import ArmedFault, Fault, Faults
from service.simulator.generate import generate
from service.simulator.load import load
from service.simulator.mail import Mail
from service.simulator.mailbox import Mailbox
from service.simulator.publisher import Publisher, Subscription
from service.simulator.quota import Limits
from service.simulator.server import Simulator, run
from service.simulator.takeout import TakeoutExport, write_takeout

__all__ = [
    "ApiError",
    "ArmedFault",
    "Decision",
    "Fault",
    "Faults",
    "Limits",
    "Mail",
    "Mailbox",
    "Publisher",
    "Simulator",
    "Subscription",
    "TakeoutExport",
    "generate",
    "load",
    "run",
    "write_takeout",
]
