"""Google's error answers: one exception, one envelope.

https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

from typing import Any

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
REASONS = {
    400: "invalidArgument",
    401: "authError",
    403: "insufficientPermissions",
    404: "notFound",
    409: "aborted",
    429: "rateLimitExceeded",
    500: "backendError",
    503: "backendError",
}
MESSAGES = {
    "authError": "Invalid Credentials",
    "backendError": "Backend Error",
    "dailyLimitExceeded": "Daily Limit Exceeded",
    "domainPolicy": "The domain administrators have disabled Gmail apps.",
    "failedPrecondition": "Precondition check failed.",
    "insufficientPermissions": "Request had insufficient authentication scopes.",
    "invalidArgument": "Invalid argument.",
    "notFound": "Requested entity was not found.",
    "rateLimitExceeded": "Resource has been exhausted (e.g. check quota).",
    "userRateLimitExceeded": "User-rate limit exceeded.",
}
USAGE_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded"}


class ApiError(Exception):
    """An error response. Reason and message default to those of Gmail for the HTTP status.

    A reason in capitals goes where Google's newer front ends put it: into the status, or else into
    an ErrorInfo. There is no list of errors then. Only OAuth has a subtype.
    """

    def __init__(self, status: int, message: str = "", reason: str = "", subtype: str = "") -> None:
        self.status = status
        self.subtype = subtype
        self.reason = reason or REASONS.get(status, "backendError")
        self.message = message or MESSAGES.get(self.reason, "Backend Error")
        super().__init__(f"{status} {self.reason}: {self.message}")

    def envelope(self) -> dict[str, Any]:
        return {
            "error": {
                "code": self.status,
                "message": self.message,
                **({} if self.reason.isupper() else {"errors": [self._detail()]}),
                "status": self._status_name(),
                **self._details(),
            }
        }

    def _detail(self) -> dict[str, str]:
        usage = self.status == 403 and self.reason in USAGE_LIMITS
        detail = {
            "message": self.message,
            "domain": "usageLimits" if usage else "global",
            "reason": self.reason,
        }
        if self.status == 401:
            detail |= {"location": "Authorization", "locationType": "header"}
        return detail

    def _status_name(self) -> str:
        if self.reason in ("failedPrecondition", "FAILED_PRECONDITION"):
            return "FAILED_PRECONDITION"
        return STATUS_NAMES.get(self.status, "UNKNOWN")

    def _details(self) -> dict[str, Any]:
        reason = "" if self.reason == self._status_name() else self.reason
        if reason == "insufficientPermissions":
            reason = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
        if not reason.isupper():
            return {}
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": {"service": "gmail.googleapis.com"},
        }
        return {"details": [info]}


def invalid_value(field: str, kind: str, value: str) -> ApiError:
    """The 400 for a parameter that does not parse, worded as Google's front end words it."""
    return ApiError(400, f"Invalid value at '{field}' ({kind}), \"{value}\"", "invalid")
