"""Configuration from the environment, checked at start: one clear message a mistake."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

T = TypeVar("T")

QUOTA_PROFILES = ("google-2026", "google-legacy", "unlimited")
GOOGLE_OAUTH_ENDPOINT = "https://oauth2.googleapis.com"
# Google's keys have a host of their own.
GOOGLES_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
LOG_LEVELS = ("debug", "info", "warning", "error")
MIN_SECRET_BYTES = 32
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
TOPIC = re.compile(r"projects/[^/\s]+/topics/[^/\s]+")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class ConfigError(Exception):
    """The environment is not as it should be; `mistakes` has one sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Config:
    """Everything a process of gmail-sync is told; only `serve` asks who signs the API's tokens."""

    database_url: str
    port: int
    jwt_secret: str | None
    credentials_keys: tuple[str, ...]
    google_client_id: str | None
    google_client_secret: str | None
    gmail_endpoint: str
    oauth_endpoint: str
    quota_profile: str
    worker_concurrency: int
    log_level: str = "info"
    # Where notifications are heard, when database_url leads through a pooler; else empty.
    listen_url: str = ""
    # Gmail's changes come by Pub/Sub: the topic it publishes to, and what its pushes are signed as.
    pubsub_topic: str | None = None
    push_audience: str | None = None
    push_service_account: str | None = None
    # Whose tokens are good, where not those signed with jwt_secret.
    jwt_jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    # Where browsers reach the service, without a slash at the end; empty when they do not.
    public_url: str = ""
    # Whom a click signs in on this machine, without a token: the demo's own user.
    demo_user: str | None = None

    @property
    def google_keys_url(self) -> str:
        """Where the keys are that Google signs identities with, as a JWKS."""
        if self.oauth_endpoint == GOOGLE_OAUTH_ENDPOINT:
            return GOOGLES_KEYS
        return f"{self.oauth_endpoint}/oauth2/v3/certs"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Config":
        """Read and check the environment. Raises ConfigError with all mistakes at once."""
        reader = _Reader(environment)
        config = cls(
            database_url=reader.get("DATABASE_URL", _database_url),
            port=reader.get("PORT", _port, "8000"),
            jwt_secret=reader.get("GMAIL_SYNC_JWT_SECRET", _jwt_secret, ""),
            credentials_keys=reader.get("GMAIL_SYNC_CREDENTIALS_KEYS", _keys, ""),
            google_client_id=environment.get("GOOGLE_CLIENT_ID") or None,
            google_client_secret=environment.get("GOOGLE_CLIENT_SECRET") or None,
            gmail_endpoint=reader.get(
                "GMAIL_SYNC_GMAIL_ENDPOINT", _endpoint, "https://gmail.googleapis.com"
            ),
            oauth_endpoint=reader.get(
                "GMAIL_SYNC_OAUTH_ENDPOINT", _endpoint, GOOGLE_OAUTH_ENDPOINT
            ),
            quota_profile=reader.get(
                "GMAIL_SYNC_QUOTA_PROFILE", _one_of(QUOTA_PROFILES), "google-2026"
            ),
            log_level=reader.get("GMAIL_SYNC_LOG_LEVEL", _one_of(LOG_LEVELS), "info"),
            worker_concurrency=reader.get("GMAIL_SYNC_WORKER_CONCURRENCY", _concurrency, "4"),
            listen_url=reader.get("GMAIL_SYNC_LISTEN_URL", _database_url, ""),
            pubsub_topic=reader.get("GMAIL_SYNC_PUBSUB_TOPIC", _topic, ""),
            push_audience=reader.get("GMAIL_SYNC_PUSH_AUDIENCE", _optional, ""),
            push_service_account=reader.get("GMAIL_SYNC_PUSH_SERVICE_ACCOUNT", _address, ""),
            jwt_jwks_url=reader.get("GMAIL_SYNC_JWT_JWKS_URL", _jwks_url, ""),
            jwt_issuer=environment.get("GMAIL_SYNC_JWT_ISSUER") or None,
            jwt_audience=environment.get("GMAIL_SYNC_JWT_AUDIENCE") or None,
            public_url=reader.get("GMAIL_SYNC_PUBLIC_URL", _public_url, ""),
            demo_user=environment.get("GMAIL_SYNC_DEMO_USER") or None,
        )
        reader.mistakes.extend(_token_mistakes(config))
        reader.mistakes.extend(_demo_mistakes(config))
        if (config.push_audience is None) != (config.push_service_account is None):
            reader.mistakes.append(
                "GMAIL_SYNC_PUSH_AUDIENCE and GMAIL_SYNC_PUSH_SERVICE_ACCOUNT go together: "
                "set both or neither"
            )
        if reader.mistakes:
            raise ConfigError(reader.mistakes)
        return config


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.mistakes: list[str] = []

    def get(self, name: str, read: Callable[[str], T], default: str | None = None) -> T:
        value = self._environment.get(name) or default
        try:
            if value is None:
                raise ValueError("is not set")
            return read(value)
        except ValueError as error:
            self.mistakes.append(f"{name} {error}")
            return None  # type: ignore[return-value]  # ConfigError follows


def _database_url(value: str) -> str:
    try:
        conninfo_to_dict(value)
    except ProgrammingError:
        # Not in libpq's words, which quote what may be the password.
        raise ValueError(
            "is not a libpq URL such as postgresql://user@host/db "
            "(special characters of a password are percent-encoded)"
        ) from None
    return value


def _whole_number(value: str, lowest: int, highest: int) -> int:
    if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
        raise ValueError(f"is {value!r}, not a number from {lowest} to {highest}")
    return int(value)


def _port(value: str) -> int:
    return _whole_number(value, 1, 65535)


def _concurrency(value: str) -> int:
    return _whole_number(value, 1, 64)


def _jwt_secret(value: str) -> str | None:
    if value and len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(
            f"is shorter than {MIN_SECRET_BYTES} bytes: make one with openssl rand -hex 32"
        )
    return value or None


def _jwks_url(value: str) -> str | None:
    if value:
        _http_url(value, "keys that came over http could be anybody's")
    return value or None


def _token_mistakes(config: Config) -> list[str]:
    """What is wrong with the variables of the API's tokens taken together."""
    if not config.jwt_jwks_url:
        return []
    mistakes = [
        f"{name} is not set, and GMAIL_SYNC_JWT_JWKS_URL needs it: the issuer signs tokens for "
        "others too"
        for name, value in (
            ("GMAIL_SYNC_JWT_ISSUER", config.jwt_issuer),
            ("GMAIL_SYNC_JWT_AUDIENCE", config.jwt_audience),
        )
        if value is None
    ]
    if config.jwt_secret:
        mistakes.append(
            "GMAIL_SYNC_JWT_SECRET and GMAIL_SYNC_JWT_JWKS_URL are both set: tokens are signed "
            "with the one or by the other"
        )
    return mistakes


def _demo_mistakes(config: Config) -> list[str]:
    """Whoever reaches a service with a demo user is signed in by a click."""
    if config.demo_user is None:
        return []
    mistakes = []
    if config.jwt_secret is None:
        mistakes.append("GMAIL_SYNC_DEMO_USER needs GMAIL_SYNC_JWT_SECRET to sign its tokens with")
    if config.public_url and urlsplit(config.public_url).hostname not in LOCAL_HOSTS:
        mistakes.append(
            "GMAIL_SYNC_DEMO_USER lets anybody in: it is for a service on this machine, and "
            "GMAIL_SYNC_PUBLIC_URL names another"
        )
    return mistakes


def _keys(value: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.split(",") if key.strip())
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise ValueError(
                f"has a key (number {number}) that is not 32 bytes in base64: make one with "
                "openssl rand -base64 32 | tr '+/' '-_'"
            ) from None
    return keys


def _optional(value: str) -> str | None:
    return value or None


def _topic(value: str) -> str | None:
    if value and not TOPIC.fullmatch(value):
        raise ValueError(f"is {value!r}, not a topic such as projects/my-project/topics/gmail")
    return value or None


def _address(value: str) -> str | None:
    if value and not ADDRESS.fullmatch(value):
        raise ValueError(f"is {value!r}, not the e-mail address of a service account")
    return value or None


def _http_url(value: str, why_https: str) -> SplitResult:
    """An address over https, or on this machine. It is never quoted: a password may be in it."""
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("is not an http or https URL") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("is not an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("is a URL with a user or a password, which would end up in logs")
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        raise ValueError(f"is an http URL of another machine: {why_https}; use https")
    return parts


def _endpoint(value: str) -> str:
    _http_url(value, "mail and credentials would cross the network in the clear")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    if not value:
        return value
    parts = _http_url(value, "Google sends people back with a code that must not be overheard")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("is not https://HOST alone")
    return f"{parts.scheme}://{parts.netloc}"


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is {value!r}, not one of {', '.join(choices)}")
        return value

    return read
