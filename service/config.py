"""Configuration from the environment, checked at start; VARIABLES is the one list of it.

Every command imports this module, so it imports nothing that takes long to load.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from service.origin import origin_of

QUOTA_PROFILES = ("google-standard", "google-2026", "google-legacy", "unlimited")
GOOGLE_OAUTH_ENDPOINT = "https://oauth2.googleapis.com"
# Google serves its keys from another host.
GOOGLE_JWKS_URL = "https://www.googleapis.com/oauth2/v3/certs"
LOG_LEVELS = ("debug", "info", "warning", "error")
MIN_SECRET_BYTES = 32
FERNET_KEY_BYTES = 32
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
LIBPQ_SCHEMES = ("postgresql://", "postgres://")
TOPIC = re.compile(r"projects/[^/\s]+/topics/[^/\s]+")
USER_IN_URL = re.compile(r"[^/?#]*//[^/?#]*@")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
# A shell removes quotation marks from a file of variables; `docker run --env-file` does not.
QUOTED = re.compile(r"""(["']).*\1""", re.DOTALL)
# A path that means the same in a link, a cookie and a redirect, however it is escaped.
PREFIX = re.compile(r"(?:/[\w~-][\w.~-]*)*", re.ASCII)


class ConfigError(Exception):
    """The environment is not valid. `errors` has one sentence for each reason."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def _database_url(value: str) -> str:
    from db.connection import parse_url

    parse_url(value)
    return value


def _node_urls(value: str) -> tuple[str, ...]:
    from db.connection import UNREADABLE

    urls = tuple(value.split())
    for number, url in enumerate(urls):
        try:
            # libpq also reads `key=value` pairs, but spaces separate those too.
            if not url.startswith(LIBPQ_SCHEMES):
                raise ValueError(UNREADABLE)
            _database_url(url)
        except ValueError as error:
            raise ValueError(f"has a value for node {number} that {error}") from None
    return urls


def _whole_number(lowest: int, highest: int, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
        raise ValueError(f"is {value!r}, not a number from {lowest} to {highest}")
    return int(value)


def _one_of(choices: tuple[str, ...], value: str) -> str:
    if value not in choices:
        raise ValueError(f"is {value!r}, not one of {', '.join(choices)}")
    return value


def _match(pattern: re.Pattern[str], meaning: str, value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"is {value!r}, not {meaning}")
    return value


def _secret(value: str) -> str:
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(
            f"is shorter than {MIN_SECRET_BYTES} bytes: make one with openssl rand -hex 32"
        )
    return value


def _keys(value: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.split(",") if key.strip())
    for number, key in enumerate(keys, 1):
        if not _is_fernet_key(key):
            raise ValueError(
                f"has a key (number {number}) that is not 32 bytes in base64: make one with "
                "openssl rand -base64 32 | tr '+/' '-_'"
            )
    return keys


def _is_fernet_key(key: str) -> bool:
    """As cryptography.fernet checks it, which takes long to import."""
    try:
        return len(urlsafe_b64decode(key)) == FERNET_KEY_BYTES
    except ValueError:
        return False


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(each.strip()) for each in value.split(","))
    except ValueError:
        raise ValueError(f"is {value!r}, not networks such as 10.0.0.0/8, fd00::/8") from None


def _http_url(value: str, why_https: str) -> SplitResult:
    """A URL over https, or on this machine. Errors never quote it: it may hold a password."""
    if USER_IN_URL.match(value):
        raise ValueError("is a URL with a user or a password, which would end up in logs")
    try:
        parts = urlsplit(value)
        origin_of(value)
    except ValueError:
        raise ValueError("is not an http or https URL") from None
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        raise ValueError(f"is an http URL of another machine: {why_https}; use https")
    return parts


def _endpoint(value: str) -> str:
    _http_url(value, "mail and credentials would cross the network unencrypted")
    return value.rstrip("/")


def _jwks_url(value: str) -> str:
    _http_url(value, "keys fetched over http can be forged")
    return value


def _issuer(value: str) -> str:
    _http_url(value, "what it says of people could be forged")
    # Exactly as its tokens have it.
    return value


def _people(value: str) -> tuple[str, ...]:
    """Addresses, domains with or without an @ before them, and *."""
    entries = [each.strip().lower() for each in value.split(",") if each.strip()]
    for entry in entries:
        if entry != "*" and not re.fullmatch(r"(?:[^@\s=]*@)?[^@\s=]+\.[^@\s=]+", entry):
            raise ValueError(f"has {entry!r}, which is neither an address nor a domain")
    return tuple(each.removeprefix("@") for each in entries)


def _operators(value: str) -> tuple[str, ...]:
    """Addresses, and claims as name=value."""
    entries = [each.strip() for each in value.split(",") if each.strip()]
    for entry in entries:
        if not re.fullmatch(r"[^@\s=]+@[^@\s=]+|[^\s=]+=.+", entry):
            raise ValueError(f"has {entry!r}, which is neither an address nor claim=value")
    return tuple(each if "=" in each else each.lower() for each in entries)


def _public_url(value: str) -> str:
    parts = _http_url(value, "Google's redirect carries a code that must stay secret")
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or not PREFIX.fullmatch(path):
        raise ValueError(
            "has more than a host and a plain path: it must be https://HOST or https://HOST/PATH"
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


class Node(NamedTuple):
    """A Postgres that holds mail. `number` is its place in GMAIL_SYNC_NODE_URLS; the only Postgres
    of an installation has none."""

    url: str
    listen_url: str
    number: int | None = None

    @property
    def log_fields(self) -> dict[str, int]:
        """What the lines of a log about this node have in common."""
        return {} if self.number is None else {"node": self.number}


@dataclass(frozen=True)
class Config:
    """The settings of a process. A variable that is unset or empty has its default.

    NAME_FILE names a file with the value instead, as containers receive secrets. White space at the
    ends of a value is not part of it: files and `echo` end in a newline.
    """

    database_url: str
    listen_url: str = ""
    node_urls: tuple[str, ...] = ()
    port: int = 8000
    jwt_secret: str | None = None
    jwt_jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    credentials_keys: tuple[str, ...] = ()
    google_client_id: str | None = None
    google_client_secret: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    oidc_allow: tuple[str, ...] = ()
    oidc_operators: tuple[str, ...] = ()
    oidc_user_claim: str = "sub"
    # Without a slash at the end; empty if browsers do not reach the service.
    public_url: str = ""
    demo_user: str | None = None
    gmail_endpoint: str = "https://gmail.googleapis.com"
    oauth_endpoint: str = GOOGLE_OAUTH_ENDPOINT
    pubsub_topic: str | None = None
    push_audience: str | None = None
    push_service_account: str | None = None
    quota_profile: str = QUOTA_PROFILES[0]
    worker_concurrency: int = 4
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    log_level: str = "info"

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Where workers work and changes are announced."""
        if self.node_urls:
            return tuple(Node(url, url, number) for number, url in enumerate(self.node_urls))
        return (Node(self.database_url, self.listen_url or self.database_url),)

    @property
    def oidc_client(self) -> tuple[str | None, str | None]:
        """Id and secret of the client for sign-in; that of Google unless it has its own."""
        if self.oidc_client_id:
            return self.oidc_client_id, self.oidc_client_secret
        return self.google_client_id, self.google_client_secret

    @property
    def google_keys_url(self) -> str:
        """The JWKS of the keys with which Google signs identities."""
        if self.oauth_endpoint == GOOGLE_OAUTH_ENDPOINT:
            return GOOGLE_JWKS_URL
        return f"{self.oauth_endpoint}/oauth2/v3/certs"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Config":
        """Read and check the environment. Raises ConfigError with all errors at once."""
        values: dict[str, Any] = {"database_url": ""}
        errors: list[str] = []
        for variable in VARIABLES:
            try:
                if value := _given(environment, variable.name):
                    values[variable.field] = variable.read(value)
                elif variable.field == "database_url":
                    raise ValueError("is not set")
            except ValueError as error:
                errors.append(f"{variable.name} {error}")
        config = cls(**values)
        for check in (_node_errors, _token_errors, _demo_errors, _push_errors, _oidc_errors):
            errors += check(config)
        if errors:
            raise ConfigError(errors)
        return config


def _given(environment: Mapping[str, str], name: str) -> str:
    """The value of a variable or of its file; empty without either. ValueError: it has both."""
    value, path = (_plain(environment.get(each, "")) for each in (name, f"{name}_FILE"))
    if not path:
        return value
    if value:
        raise ValueError(f"and {name}_FILE are both set")
    try:
        # Editors of Windows begin a file with a byte order mark.
        return _plain(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"cannot be read from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot be read from {path}: it is not UTF-8") from error


def _plain(value: str) -> str:
    """A value without white space at its ends. Raises ValueError."""
    value = value.strip()
    if QUOTED.fullmatch(value):
        raise ValueError("is in quotation marks, which are a part of it: remove them")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return value


class Variable(NamedTuple):
    """A variable of the environment. `read` raises ValueError that says what is wrong."""

    name: str
    field: str
    read: Callable[[str], object]
    meaning: str

    def help(self) -> str:
        """Its meaning, and its default if there is one."""
        default = getattr(Config, self.field, None)
        return f"{self.meaning} ({default})" if default else self.meaning


VARIABLES = (
    Variable("DATABASE_URL", "database_url", _database_url,
        "libpq URL: postgresql://user@host/database"),
    Variable("GMAIL_SYNC_LISTEN_URL", "listen_url", _database_url,
        "URL for LISTEN if DATABASE_URL is that of a pooler"),
    Variable("GMAIL_SYNC_NODE_URLS", "node_urls", _node_urls,
        "URLs of the nodes, node 0 first, if DATABASE_URL is that of a router"),
    Variable("PORT", "port", partial(_whole_number, 1, 65535),
        "port of the service"),
    Variable("GMAIL_SYNC_JWT_SECRET", "jwt_secret", _secret,
        "signs the API's tokens: HS256, 32 bytes or more"),
    Variable("GMAIL_SYNC_JWT_JWKS_URL", "jwt_jwks_url", _jwks_url,
        "instead of a secret: keys of the tokens' issuer, RS256"),
    Variable("GMAIL_SYNC_JWT_ISSUER", "jwt_issuer", str,
        "required `iss` of tokens; needed with a JWKS"),
    Variable("GMAIL_SYNC_JWT_AUDIENCE", "jwt_audience", str,
        "required `aud` of tokens; needed with a JWKS"),
    Variable("GMAIL_SYNC_CREDENTIALS_KEYS", "credentials_keys", _keys,
        "Fernet keys, comma-separated: the first encrypts, all decrypt"),
    Variable("GOOGLE_CLIENT_ID", "google_client_id", str,
        "OAuth client with which users connect Gmail"),
    Variable("GOOGLE_CLIENT_SECRET", "google_client_secret", str,
        "secret of that client"),
    Variable("GMAIL_SYNC_OIDC_ISSUER", "oidc_issuer", _issuer,
        "OpenID provider at which people sign in: https://accounts.google.com or another"),
    Variable("GMAIL_SYNC_OIDC_CLIENT_ID", "oidc_client_id", str,
        "client for sign-in; without it, GOOGLE_CLIENT_ID"),
    Variable("GMAIL_SYNC_OIDC_CLIENT_SECRET", "oidc_client_secret", str,
        "secret of that client"),
    Variable("GMAIL_SYNC_OIDC_ALLOW", "oidc_allow", _people,
        "who may sign in: addresses and domains, comma-separated; * for everybody"),
    Variable("GMAIL_SYNC_OIDC_OPERATORS", "oidc_operators", _operators,
        "who of them is an operator: addresses, and claims as groups=mail"),
    Variable("GMAIL_SYNC_OIDC_USER_CLAIM", "oidc_user_claim", str,
        "claim that is the user id"),
    Variable("GMAIL_SYNC_PUBLIC_URL", "public_url", _public_url,
        "URL at which browsers reach the service, with its path if it has one"),
    Variable("GMAIL_SYNC_DEMO_USER", "demo_user", str,
        "user whom a click on the page signs in; on this machine only"),
    Variable("GMAIL_SYNC_GMAIL_ENDPOINT", "gmail_endpoint", _endpoint,
        "root of the Gmail API"),
    Variable("GMAIL_SYNC_OAUTH_ENDPOINT", "oauth_endpoint", _endpoint,
        "root of Google's OAuth API"),
    Variable("GMAIL_SYNC_PUBSUB_TOPIC", "pubsub_topic",
        partial(_match, TOPIC, "a topic such as projects/my-project/topics/gmail"),
        "topic to which Gmail publishes changes: projects/P/topics/T"),
    Variable("GMAIL_SYNC_PUSH_AUDIENCE", "push_audience", str,
        "required `aud` of the tokens of pushes"),
    Variable("GMAIL_SYNC_PUSH_SERVICE_ACCOUNT", "push_service_account",
        partial(_match, ADDRESS, "the e-mail address of a service account"),
        "required account of those tokens; set both or neither"),
    Variable("GMAIL_SYNC_QUOTA_PROFILE", "quota_profile", partial(_one_of, QUOTA_PROFILES),
        "caps of new accounts: google-standard, google-legacy or unlimited"),
    Variable("GMAIL_SYNC_WORKER_CONCURRENCY", "worker_concurrency", partial(_whole_number, 1, 64),
        "runs at a time in a process, at each node"),
    Variable("GMAIL_SYNC_WEBHOOK_NETWORKS", "webhook_networks", _networks,
        "private networks that webhooks may reach, over http too: 10.0.0.0/8,..."),
    Variable("GMAIL_SYNC_LOG_LEVEL", "log_level", partial(_one_of, LOG_LEVELS),
        "debug, info, warning or error"),
)  # fmt: skip


def _node_errors(config: Config) -> Iterator[str]:
    if config.node_urls and config.listen_url:
        yield (
            "GMAIL_SYNC_LISTEN_URL and GMAIL_SYNC_NODE_URLS are both set: with nodes, changes are "
            "heard at each of them"
        )


def _token_errors(config: Config) -> Iterator[str]:
    if not config.jwt_jwks_url:
        return
    for name, value in (
        ("GMAIL_SYNC_JWT_ISSUER", config.jwt_issuer),
        ("GMAIL_SYNC_JWT_AUDIENCE", config.jwt_audience),
    ):
        if value is None:
            yield (
                f"{name} is not set, and GMAIL_SYNC_JWT_JWKS_URL needs it: the issuer signs "
                "tokens for others too"
            )
    if config.jwt_secret:
        yield (
            "GMAIL_SYNC_JWT_SECRET and GMAIL_SYNC_JWT_JWKS_URL are both set: tokens are signed "
            "with the one or by the other"
        )


def _demo_errors(config: Config) -> Iterator[str]:
    """A demo user lets in everybody who reaches the service."""
    if config.demo_user is None:
        return
    if config.jwt_secret is None:
        yield "GMAIL_SYNC_DEMO_USER needs GMAIL_SYNC_JWT_SECRET to sign its tokens with"
    if config.public_url and urlsplit(config.public_url).hostname not in LOCAL_HOSTS:
        yield (
            "GMAIL_SYNC_DEMO_USER lets anybody in: it is for a service on this machine, and "
            "GMAIL_SYNC_PUBLIC_URL names another"
        )


def _push_errors(config: Config) -> Iterator[str]:
    if (config.push_audience is None) != (config.push_service_account is None):
        yield (
            "GMAIL_SYNC_PUSH_AUDIENCE and GMAIL_SYNC_PUSH_SERVICE_ACCOUNT go together: "
            "set both or neither"
        )


def _oidc_errors(config: Config) -> Iterator[str]:
    client_id, client_secret = config.oidc_client
    needed = {
        "GMAIL_SYNC_OIDC_CLIENT_ID": client_id,
        "GMAIL_SYNC_OIDC_CLIENT_SECRET": client_secret,
        "GMAIL_SYNC_OIDC_ALLOW": config.oidc_allow,
        "GMAIL_SYNC_PUBLIC_URL": config.public_url,
        "GMAIL_SYNC_CREDENTIALS_KEYS": config.credentials_keys,
    }
    if config.oidc_issuer:
        for name, value in needed.items():
            if not value:
                yield f"{name} is not set, and GMAIL_SYNC_OIDC_ISSUER needs it"
