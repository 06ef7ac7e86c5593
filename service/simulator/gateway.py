"""The way of a request: who asks, is it within quota, does a fault strike it, what is answered."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack

import msgspec

from service.simulator import admin, fault_effects, multipart, routes
from service.simulator.errors import ApiError
from service.simulator.faults import ArmedFault, Faults
from service.simulator.http_types import UPLOAD, Request, Response, error_reply, json_reply
from service.simulator.mailbox import Mailbox
from service.simulator.oidc import OidcIssuer
from service.simulator.quota import Limits, Quota
from service.simulator.requestlog import RequestLog
from service.simulator.tokens import Tokens, refused

BATCH_PATHS = ("/batch", "/batch/gmail/v1")
_OAUTH = {
    ("POST", "/token"): "token",
    ("POST", "/revoke"): "revoke",
    ("GET", "/o/oauth2/v2/auth"): "auth",
    ("GET", "/oauth2/v3/certs"): "certs",
}
_log = logging.getLogger(__name__)


class Answer(msgspec.Struct):
    """A reply, and the fault in how it is to be sent, if any."""

    reply: Response
    delivery: ArmedFault | None = None


class Gateway:
    """Answers requests from many threads; everything it holds is thread-safe."""

    def __init__(self, mailboxes: Mapping[str, Mailbox]) -> None:
        self.mailboxes = mailboxes
        self.tokens = Tokens()
        self.identity = OidcIssuer()
        self.faults = Faults()
        self.requests = RequestLog()
        self.quota = Quota(Limits())

    def answer(self, request: Request) -> Answer:
        """The answer to a request as it came over HTTP; never raises."""
        if request.path.startswith(admin.PREFIX):
            return Answer(admin.answer(self, request))
        with ExitStack() as in_flight:
            answer = self._answer(request, in_flight, part=False)
        if answer.delivery is None:
            # Before it is sent: whoever has the answer finds it counted.
            self.requests.delivered(answer.reply.fetched)
        return answer

    def _answer(self, request: Request, in_flight: ExitStack, part: bool) -> Answer:
        method = "unknown"
        try:
            if request.verb == "POST" and request.path in BATCH_PATHS and not part:
                method = "batch"
                answer = self._batch(request, in_flight)
            elif (request.verb, request.path) in _OAUTH and not part:
                method = _OAUTH[request.verb, request.path]
                answer = self._oauth(method, request)
            else:
                route = routes.find(request)
                method = route.method
                answer = self._gmail(route, request, in_flight, part)
        except ApiError as error:
            answer = Answer(error_reply(error))
        except Exception:
            _log.exception("the simulator failed at %s %s", request.verb, request.path)
            answer = Answer(error_reply(ApiError(500)))
        self.requests.answered(method, answer.reply.status, request.bearer())
        return answer

    def _gmail(
        self, route: routes.Route, request: Request, in_flight: ExitStack, part: bool
    ) -> Answer:
        email = self.tokens.owner(request.bearer())
        if route.user not in ("me", email):
            raise ApiError(403, f"Delegation denied for {email}", "forbidden")
        if part and request.path.startswith(UPLOAD):
            raise ApiError(400, "Media uploads are not allowed in a batch", "badRequest")
        quota = self.quota
        quota.enter(email, route.method)
        in_flight.callback(quota.leave, email)
        struck = self.faults.strike(route.method, email, route.first_id, part)
        refusal = fault_effects.refusal(struck)
        if refusal is not None:
            return Answer(refusal, fault_effects.delivery(struck))
        ids = (route.first_id, route.second_id)
        reply = route.handler(self.mailboxes[email], request, *ids)
        return Answer(fault_effects.spoil(struck, request, reply), fault_effects.delivery(struck))

    def _oauth(self, method: str, request: Request) -> Answer:
        struck = self.faults.strike(method, "", "", part=False)
        reply = fault_effects.refusal(struck, refused)
        if reply is None:
            if method == "token":
                reply = self.tokens.grant(request)
            elif method == "revoke":
                reply = self.tokens.withdraw(request)
            elif method == "certs":
                reply = json_reply(self.identity.keys())
            else:
                reply = self.tokens.consent.answer(request, next(iter(self.mailboxes), ""))
            reply = fault_effects.spoil(struck, request, reply)
        return Answer(reply, fault_effects.delivery(struck))

    def _batch(self, request: Request, in_flight: ExitStack) -> Answer:
        """Parts hold their places in flight until all are done, as if they ran at once."""
        # Without an outer token each part stands for itself; a wrong one is refused outright.
        email = self.tokens.owner(request.bearer()) if request.bearer() else ""
        struck = self.faults.strike("batch", email, "", part=False)
        refusal = fault_effects.refusal(struck)
        if refusal is not None:
            return Answer(refusal, fault_effects.delivery(struck))
        answers = []
        for content_id, inner in multipart.read(request):
            answer = self._answer(inner, in_flight, part=True)
            action = answer.delivery.fault.action if answer.delivery else None
            if action == "truncate":
                fault_effects.cut(answer.reply)
            if action != "drop":
                answers.append((content_id, answer.reply))
        return Answer(
            fault_effects.spoil(struck, request, multipart.write(answers)),
            fault_effects.delivery(struck),
        )
