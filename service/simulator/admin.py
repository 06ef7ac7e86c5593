"""The simulator's own routes, for a test in another process. JSON both ways.

GET, POST, DELETE /simulator/faults         list; add a Fault; clear
POST /simulator/faults/{number}/release     release the requests that it holds
DELETE /simulator/faults/{number}           remove one
PUT, DELETE /simulator/quota                Limits in force; off
GET, DELETE /simulator/requests             counters; reset
POST /simulator/mailboxes/{email}/expire-history
POST /simulator/mailboxes/{email}/takeout   a TakeoutExport, and the folder to write it to
"""

from pathlib import Path
from typing import Any

import msgspec

from service.simulator.errors import ApiError
from service.simulator.faults import ArmedFault, Fault
from service.simulator.http_types import Request, Response, error_response, json_response
from service.simulator.quota import Limits, Quota
from service.simulator.state import State
from service.simulator.takeout import TakeoutExport, write_takeout

PREFIX = "/simulator/"


class _ExportToFolder(TakeoutExport, frozen=True, kw_only=True):
    folder: str


def answer(state: State, request: Request) -> Response:
    try:
        return _answer(state, request)
    except ApiError as error:
        return error_response(error)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        return error_response(ApiError(400, str(error)))


def _answer(state: State, request: Request) -> Response:
    match request.verb, request.path.removeprefix(PREFIX).split("/"):
        case "GET", ["requests"]:
            return json_response(state.requests.snapshot() | {"peak_units": state.quota.peak_units})
        case "DELETE", ["requests"]:
            state.requests.reset()
        case "PUT", ["quota"]:
            state.quota = Quota(msgspec.json.decode(request.body, type=Limits))
        case "DELETE", ["quota"]:
            state.quota = Quota(Limits())
        case "POST", ["mailboxes", email, "expire-history"] if email in state.mailboxes:
            state.mailboxes[email].expire_history()
        case "POST", ["mailboxes", email, "takeout"] if email in state.mailboxes:
            export = msgspec.json.decode(request.body, type=_ExportToFolder)
            paths = write_takeout(state.mailboxes[email], Path(export.folder), export)
            return json_response([str(path) for path in paths], 201)
        case _, ["faults", *rest]:
            return _faults(state, request, rest)
        case _:
            raise ApiError(404)
    return Response(204)


def _faults(state: State, request: Request, rest: list[str]) -> Response:
    match request.verb, rest:
        case "GET", []:
            return json_response([_shape(armed) for armed in state.faults.all()])
        case "POST", []:
            fault = msgspec.json.decode(request.body, type=Fault)
            return json_response(_shape(state.faults.add(fault)), 201)
        case "DELETE", []:
            state.faults.clear()
        case "DELETE", [number]:
            state.faults.remove(int(number))
        case "POST", [number, "release"]:
            for armed in state.faults.all():
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
