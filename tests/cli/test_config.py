"""Which variables of tokens and addresses are valid, and the errors of those that are not."""

import secrets
from pathlib import Path

import pytest

from service.config import Config, ConfigError, Node

SECRET = secrets.token_hex(32)
DATABASE = {"DATABASE_URL": "postgresql://user@host/database"}
JWKS = {
    "GMAIL_SYNC_JWT_JWKS_URL": "https://login.example.org/jwks.json",
    "GMAIL_SYNC_JWT_ISSUER": "https://login.example.org",
    "GMAIL_SYNC_JWT_AUDIENCE": "gmail-sync",
}


def config(**environment: str) -> Config:
    return Config.from_environment(DATABASE | environment)


def errors(**environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(**environment)
    return caught.value.errors


def test_a_secret_is_enough_and_may_have_an_audience_and_an_issuer() -> None:
    assert config(GMAIL_SYNC_JWT_SECRET=SECRET).jwt_audience is None
    more = {"GMAIL_SYNC_JWT_ISSUER": "us", "GMAIL_SYNC_JWT_AUDIENCE": "here"}
    found = config(GMAIL_SYNC_JWT_SECRET=SECRET, **more)
    assert (found.jwt_secret, found.jwt_issuer, found.jwt_audience) == (SECRET, "us", "here")


def test_an_issuer_comes_with_jwks_url_name_and_audience() -> None:
    found = config(**JWKS)
    assert (found.jwt_jwks_url, found.jwt_issuer, found.jwt_audience) == tuple(JWKS.values())
    assert found.jwt_secret is None


def test_empty_variables_have_their_defaults() -> None:
    assert config(GMAIL_SYNC_JWT_SECRET=SECRET, **dict.fromkeys(JWKS, "")).jwt_jwks_url is None


def test_white_space_at_the_ends_is_not_part_of_a_value() -> None:
    found = config(
        DATABASE_URL=" postgresql://user@host/database\n",
        GMAIL_SYNC_JWT_SECRET=f"{SECRET}\n",
        GMAIL_SYNC_JWT_AUDIENCE=" \n",
    )
    assert found.database_url == DATABASE["DATABASE_URL"]
    assert (found.jwt_secret, found.jwt_audience) == (SECRET, None)


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "url").write_text(DATABASE["DATABASE_URL"])
    found = Config.from_environment(
        {
            "DATABASE_URL_FILE": str(tmp_path / "url"),
            "GMAIL_SYNC_JWT_SECRET_FILE": str(tmp_path / "secret"),
        }
    )
    assert (found.database_url, found.jwt_secret) == (DATABASE["DATABASE_URL"], SECRET)


def test_a_file_that_cannot_be_read_or_comes_beside_a_value_is_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff")
    found = errors(
        DATABASE_URL_FILE=missing,
        GMAIL_SYNC_JWT_SECRET_FILE=missing,
        GOOGLE_CLIENT_SECRET_FILE=str(tmp_path / "binary"),
    )
    assert found == [
        "DATABASE_URL and DATABASE_URL_FILE are both set",
        f"GMAIL_SYNC_JWT_SECRET cannot be read from {missing}: No such file or directory",
        f"GOOGLE_CLIENT_SECRET cannot be read from {tmp_path / 'binary'}: it is not UTF-8",
    ]


def test_the_only_postgres_is_the_only_node() -> None:
    url = DATABASE["DATABASE_URL"]
    assert config().nodes == (Node(url, url),)
    direct = "postgresql://direct/database"
    assert config(GMAIL_SYNC_LISTEN_URL=direct).nodes == (Node(url, direct),)
    assert config().nodes[0].log_fields == {}


def test_nodes_are_numbered_in_the_order_of_their_urls(tmp_path: Path) -> None:
    (tmp_path / "urls").write_text("postgresql://db0/app\n  postgres://db1/app\n")
    zero, one = config(GMAIL_SYNC_NODE_URLS_FILE=str(tmp_path / "urls")).nodes
    assert zero == Node("postgresql://db0/app", "postgresql://db0/app", 0)
    assert (one.url, one.log_fields) == ("postgres://db1/app", {"node": 1})


@pytest.mark.parametrize("url", ["host=db1 password=hidden", "postgresql:/hidden", "hidden"])
def test_an_error_names_the_node_and_not_its_password(url: str) -> None:
    (error,) = errors(GMAIL_SYNC_NODE_URLS=f"postgresql://db0/app {url}")
    assert error.startswith("GMAIL_SYNC_NODE_URLS has a value for node 1 that is not a libpq URL")
    assert "hidden" not in error


def test_nodes_are_not_behind_a_pooler_of_one_postgres() -> None:
    urls = dict.fromkeys(["GMAIL_SYNC_NODE_URLS", "GMAIL_SYNC_LISTEN_URL"], "postgresql://db/app")
    (error,) = errors(**urls)
    assert "both set" in error


def test_a_secret_and_an_issuer_exclude_each_other() -> None:
    (error,) = errors(GMAIL_SYNC_JWT_SECRET=SECRET, **JWKS)
    assert "both set" in error


@pytest.mark.parametrize("name", ["GMAIL_SYNC_JWT_ISSUER", "GMAIL_SYNC_JWT_AUDIENCE"])
def test_an_issuer_needs_a_name_and_an_audience(name: str) -> None:
    (error,) = errors(**{key: value for key, value in JWKS.items() if key != name})
    assert error.startswith(f"{name} is not set")


@pytest.mark.parametrize(
    "url",
    ["http://login.example.org/jwks.json", "file:///etc/passwd", "login.example.org", "https://"],
)
def test_keys_come_over_https_from_another_machine(url: str) -> None:
    (error,) = errors(**JWKS | {"GMAIL_SYNC_JWT_JWKS_URL": url})
    assert error.startswith("GMAIL_SYNC_JWT_JWKS_URL is ")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "[::1]:9000"])
def test_keys_may_come_over_http_from_this_machine(host: str) -> None:
    url = f"http://{host}/jwks"
    assert config(**JWKS | {"GMAIL_SYNC_JWT_JWKS_URL": url}).jwt_jwks_url == url


def test_a_worker_needs_neither() -> None:
    assert config().jwt_secret is None


ADDRESSES = {
    "GMAIL_SYNC_GMAIL_ENDPOINT": {},
    "GMAIL_SYNC_OAUTH_ENDPOINT": {},
    "GMAIL_SYNC_PUBLIC_URL": {},
    "GMAIL_SYNC_JWT_JWKS_URL": JWKS,
}
each_address = pytest.mark.parametrize("name", ADDRESSES)


@each_address
@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "http://10.0.0.7:9000",
        "http://localhost.mail.example",
        "http://127.0.0.1.mail.example",
        "HTTP://mail.example",
    ],
)
def test_no_address_of_another_machine_goes_without_https(name: str, url: str) -> None:
    (error,) = errors(**ADDRESSES[name] | {name: url})
    assert error.startswith(f"{name} is an http URL of another machine: ")


@each_address
@pytest.mark.parametrize("url", ["http://localhost:9000", "http://127.0.0.1:9", "http://[::1]:9"])
def test_this_machine_goes_without_https(name: str, url: str) -> None:
    assert url in str(config(**ADDRESSES[name] | {name: url}))


@each_address
@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass-word@mail.example",
        "https://pass-word@mail.example",
        "http://user:pass-word@localhost",
        "user:pass-word@mail.example",
        "ftp://user:pass-word@mail.example",
        "https://user:pass-word@[mail.example",
        "https://user:pass-word@mail.example\u2100",
    ],
)
def test_a_password_in_an_address_is_rejected_and_not_printed(name: str, url: str) -> None:
    (error,) = errors(**ADDRESSES[name] | {name: url})
    assert error.startswith(f"{name} is ")
    assert "pass-word" not in error


@pytest.mark.parametrize("name", ["GMAIL_SYNC_GMAIL_ENDPOINT", "GMAIL_SYNC_OAUTH_ENDPOINT"])
def test_an_endpoint_is_the_same_with_a_slash_at_its_end(name: str) -> None:
    assert config(**{name: "https://mail.example/"}) == config(**{name: "https://mail.example"})


OIDC = {
    "GMAIL_SYNC_JWT_SECRET": SECRET,
    "GMAIL_SYNC_OIDC_ISSUER": "https://login.example.org",
    "GMAIL_SYNC_OIDC_CLIENT_ID": "us",
    "GMAIL_SYNC_OIDC_CLIENT_SECRET": "secret",
    "GMAIL_SYNC_OIDC_ALLOW": "Ann@Example.org, @example.com,example.net",
    "GMAIL_SYNC_PUBLIC_URL": "https://mail.example.org",
    "GMAIL_SYNC_CREDENTIALS_KEYS": "A" * 43 + "=",
}


def test_people_are_named_by_address_and_domain() -> None:
    found = config(**OIDC, GMAIL_SYNC_OIDC_OPERATORS="Ann@Example.org,groups=Mail Admins")
    assert found.oidc_allow == ("ann@example.org", "example.com", "example.net")
    assert found.oidc_operators == ("ann@example.org", "groups=Mail Admins")
    assert found.oidc_client == ("us", "secret")


@pytest.mark.parametrize("name", sorted(OIDC.keys() - {"GMAIL_SYNC_JWT_SECRET"}))
def test_sign_in_needs_all_of_its_variables(name: str) -> None:
    if name == "GMAIL_SYNC_OIDC_ISSUER":
        assert config(**OIDC | {name: ""}).oidc_issuer is None
        return
    found = errors(**OIDC | {name: ""})
    assert f"{name} is not set, and GMAIL_SYNC_OIDC_ISSUER needs it" in found


@pytest.mark.parametrize("allowed", ["ann", "ann@", "a b@example.org", "a@b@c.d", "groups=x.y"])
def test_lists_of_people_are_checked(allowed: str) -> None:
    error, *_ = errors(**OIDC | {"GMAIL_SYNC_OIDC_ALLOW": allowed})
    assert error.startswith("GMAIL_SYNC_OIDC_ALLOW has ")


def test_the_provider_of_another_machine_is_asked_over_https() -> None:
    error, *_ = errors(**OIDC | {"GMAIL_SYNC_OIDC_ISSUER": "http://login.example.org"})
    assert "could be forged" in error


@pytest.mark.parametrize("mark", ['"', "'"])
def test_quotation_marks_around_a_value_are_an_error_that_does_not_show_it(mark: str) -> None:
    (error,) = errors(GMAIL_SYNC_JWT_SECRET=f"{mark}{SECRET}{mark}")
    assert error.startswith("GMAIL_SYNC_JWT_SECRET is in quotation marks")
    assert SECRET not in error


def test_a_value_that_is_not_utf8_is_an_error() -> None:
    assert errors(GMAIL_SYNC_JWT_SECRET="\udcff" * 40) == ["GMAIL_SYNC_JWT_SECRET is not UTF-8"]


def test_a_byte_order_mark_is_not_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\r\n", encoding="utf-8-sig")
    found = config(GMAIL_SYNC_JWT_SECRET_FILE=str(tmp_path / "secret"))
    assert found.jwt_secret == SECRET
