"""The simulator's own routes, for a test in another process. JSON both ways.

GET, POST, DELETE /simulator/faults         list; add a Fault; clear
POST /simulator/faults/{number}/release     let go what it holds
DELETE /simulator/faults/{number}           take one off
PUT, DELETE /simulator/quota                Limits in force; off
GET, DELETE /simulator/requests             counters; back to zero
POST /simulator/mailboxes/{email}/expire-history
"""

from typing import TYPE_CHECKING, Any

import msgspec

from service.simulator.errors import ApiError
from service.simulator.faults import ArmedFault, Fault
from service.simulator.http_types import Request, Response, error_reply, json_reply
from service.simulator.quota import Limits, Quota

if TYPE_CHECKING:
    from service.simulator.gateway import Gateway

PREFIX = "/simulator/"


def answer(gateway: "Gateway", request: Request) -> Response:
    try:
        return _answer(gateway, request)
    except ApiError as error:
        return error_reply(error)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        return error_reply(ApiError(400, str(error)))


def _answer(gateway: "Gateway", request: Request) -> Response:
    match request.verb, request.path.removeprefix(PREFIX).split("/"):
        case "GET", ["requests"]:
            return json_reply(
                gateway.requests.snapshot() | {"peak_units": gateway.quota.peak_units}
            )
        case "DELETE", ["requests"]:
            gateway.requests.reset()
        case "PUT", ["quota"]:
            gateway.quota = Quota(msgspec.json.decode(request.body, type=Limits))
        case "DELETE", ["quota"]:
            gateway.quota = Quota(Limits())
        case "POST", ["mailboxes", email, "expire-history"] if email in gateway.mailboxes:
            gateway.mailboxes[email].expire_history()
        case _, ["faults", *rest]:
            return _faults(gateway, request, rest)
        case _:
            raise ApiError(404)
    return Response(204)


def _faults(gateway: "Gateway", request: Request, rest: list[str]) -> Response:
    match request.verb, rest:
        case "GET", []:
            return json_reply([_shape(armed) for armed in gateway.faults.all()])
        case "POST", []:
            fault = msgspec.json.decode(request.body, type=Fault)
            return json_reply(_shape(gateway.faults.add(fault)), 201)
        case "DELETE", []:
            gateway.faults.clear()
        case "DELETE", [number]:
            gateway.faults.remove(int(number))
        case "POST", [number, "release"]:
            for armed in gateway.faults.all():
                if armed.number == int(number):
                    armed.release()
        case _:
            raise ApiError(404)
    return Response(204)


def _shape(armed: ArmedFault) -> dict[str, Any]:
    return {
        "number": armed.number,
        "seen": armed.seen,
        "struck": armed.struck,
        "fault": armed.fault,
    }
