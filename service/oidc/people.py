"""Who may sign in by the provider, under which user id, and who is an operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.oidc.provider import SignInFailed
from service.postgres.user_id import USER_ID

EVERYBODY = "*"
GOOGLE = "https://accounts.google.com"
# Whose addresses are Google's own.
GMAIL = {"gmail.com", "googlemail.com"}


@dataclass(frozen=True)
class Person:
    """Somebody who has signed in. `email` is empty unless the provider has verified it."""

    user_id: str
    email: str
    is_operator: bool


@dataclass(frozen=True)
class People:
    """The lists of the configuration.

    `allowed` are addresses and domains (example.org), or EVERYBODY. `operators` are addresses, and
    claims as name=value.
    """

    issuer: str
    user_claim: str
    allowed: tuple[str, ...]
    operators: tuple[str, ...] = ()

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Raises SignInFailed with the code `not_allowed` or `no_user_id`."""
        email = _verified_email(claims)
        if not self.allows(email) or self._is_lent(claims, email):
            raise SignInFailed("not_allowed", f"{claims.get('email')} is not on the list")
        user_id = claims.get(self.user_claim)
        if self.user_claim == "email":
            user_id = email
        if not isinstance(user_id, str) or not USER_ID.fullmatch(user_id):
            raise SignInFailed("no_user_id", f"the claim {self.user_claim} is not a user id")
        by_claim = any(_has(claims, entry) for entry in self.operators if "=" in entry)
        return Person(user_id, email, by_claim)

    def allows(self, email: str) -> bool:
        domain = email.rpartition("@")[2]
        return EVERYBODY in self.allowed or (
            email != "" and not {email, domain}.isdisjoint(self.allowed)
        )

    def is_operator(self, person: Person) -> bool:
        return person.is_operator or (person.email != "" and person.email in self.operators)

    def _is_lent(self, claims: Mapping[str, Any], email: str) -> bool:
        """Whether a private Google account only uses an address of a domain of the list.

        Google verified it once; its owner may have left. `hd` is the domain that manages the
        account: https://developers.google.com/identity/openid-connect/openid-connect#obtainuserinfo
        """
        domain = email.rpartition("@")[2]
        return (
            self.issuer == GOOGLE
            and not {email, EVERYBODY} & set(self.allowed)
            and domain not in GMAIL
            and claims.get("hd") != domain
        )


def _verified_email(claims: Mapping[str, Any]) -> str:
    """In lower case; empty unless verified. Other letters than ASCII can look like these."""
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True:
        return ""
    return email.lower() if email.isascii() and email.count("@") == 1 else ""


def _has(claims: Mapping[str, Any], entry: str) -> bool:
    """Whether a claim is this value, or a list with it. Dots lead into objects, as in Keycloak's
    realm_access.roles."""
    path, _, value = entry.partition("=")
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return value in found if isinstance(found, list) else found == value
