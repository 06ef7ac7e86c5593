"""From a request to its answer: the token, the quota, the faults that strike, and the method."""

import logging
from contextlib import ExitStack

from service.simulator import admin, fault_effects, multipart, routes
from service.simulator.errors import ApiError
from service.simulator.http_types import UPLOAD, Request, error_response, json_response
from service.simulator.state import Answer, State
from service.simulator.tokens import oauth_error

BATCH_PATHS = ("/batch", "/batch/gmail/v1")
_OAUTH = {
    ("POST", "/token"): "token",
    ("POST", "/revoke"): "revoke",
    ("GET", "/o/oauth2/v2/auth"): "auth",
    ("GET", "/oauth2/v3/certs"): "certs",
    ("GET", "/.well-known/openid-configuration"): "discovery",
    ("GET", "/o/oauth2/v2/logout"): "logout",
}
_log = logging.getLogger(__name__)


class Gateway:
    """Answers requests from many threads."""

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, request: Request) -> Answer:
        """The answer to a request as it came over HTTP; never raises."""
        if request.path.startswith(admin.PREFIX):
            return Answer(admin.answer(self._state, request))
        with ExitStack() as in_flight:
            answer = self._answer(request, in_flight, part=False)
        if answer.delivery is None:
            # Counted before it is sent, so that a client that has the answer finds it counted.
            self._state.requests.delivered(answer.response.fetched)
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
            answer = Answer(error_response(error))
        except Exception:
            _log.exception("the simulator failed at %s %s", request.verb, request.path)
            answer = Answer(error_response(ApiError(500)))
        self._state.requests.answered(method, answer.response.status, request.bearer())
        return answer

    def _gmail(
        self, route: routes.Route, request: Request, in_flight: ExitStack, part: bool
    ) -> Answer:
        email = self._state.tokens.owner(request.bearer())
        if route.user not in ("me", email):
            raise ApiError(403, f"Delegation denied for {email}", "forbidden")
        if part and request.path.startswith(UPLOAD):
            raise ApiError(400, "Media uploads are not allowed in a batch", "badRequest")
        quota = self._state.quota
        quota.enter(email, route.method, request.one("format", "full").lower())
        in_flight.callback(quota.leave, email)
        struck = self._state.faults.strike(route.method, email, route.first_id, part)
        refusal = fault_effects.refusal(struck)
        if refusal is not None:
            return Answer(refusal, fault_effects.delivery(struck))
        ids = (route.first_id, route.second_id)
        response = route.handler(self._state.mailboxes[email], request, *ids)
        response = fault_effects.apply_faults(struck, request, response)
        return Answer(response, fault_effects.delivery(struck))

    def _oauth(self, method: str, request: Request) -> Answer:
        struck = self._state.faults.strike(method, "", "", part=False)
        response = fault_effects.refusal(struck, oauth_error)
        if response is None:
            if method == "token":
                response = self._state.tokens.grant(request)
            elif method == "revoke":
                response = self._state.tokens.revoke_token(request)
            elif method == "certs":
                response = json_response(self._state.issuer.keys())
            elif method == "discovery":
                response = json_response(self._state.issuer.metadata(request.own_url()))
            elif method == "logout":
                response = self._state.issuer.end_session(request)
            else:
                emails = list(self._state.mailboxes)
                response = self._state.tokens.consent.answer(request, emails)
            response = fault_effects.apply_faults(struck, request, response)
        return Answer(response, fault_effects.delivery(struck))

    def _batch(self, request: Request, in_flight: ExitStack) -> Answer:
        """All parts count as in flight until the last is done, as if they ran in parallel."""
        # Without an outer token each part needs its own. A wrong outer token fails the batch.
        email = self._state.tokens.owner(request.bearer()) if request.bearer() else ""
        struck = self._state.faults.strike("batch", email, "", part=False)
        refusal = fault_effects.refusal(struck)
        if refusal is not None:
            return Answer(refusal, fault_effects.delivery(struck))
        answers = []
        for content_id, inner in multipart.read(request):
            answer = self._answer(inner, in_flight, part=True)
            action = answer.delivery.fault.action if answer.delivery else None
            if action == "truncate":
                fault_effects.cut(answer.response)
            if action != "drop":
                answers.append((content_id, answer.response))
        return Answer(
            fault_effects.apply_faults(struck, request, multipart.write(answers)),
            fault_effects.delivery(struck),
        )
