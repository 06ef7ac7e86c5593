"""Server-side request forgery: no address and no trick leads to a listener on loopback."""

import socket
import uuid
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from service.postgres.calls import Session
from service.webhooks.addresses import Forbidden, lookup
from service.webhooks.post import Delivery, Poster
from tests.webhooks.conftest import Receiver, answer

PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255",
    # As inet_aton reads them.
    "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0",
    "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:7f00:1::", "2001:db8::1", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "100::1", "4000::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
Resolver = Callable[..., list[Any]]


@pytest.fixture
def listener() -> Iterator[Receiver]:
    """It accepts everything that reaches it."""
    made = Receiver()
    yield made
    made.stop()


def post(url: str, allowed: Any = ()) -> str | None:
    """The error of an attempt."""
    delivery = Delivery(uuid.uuid4(), "wh_1", "ann", url, [SECRET], "msg_1", "t", "{}", 1)
    poster = Poster(allowed)
    outcome = poster.post(delivery)
    poster.close()
    return outcome.error


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_refused_before_connecting(
    listener: Receiver, host: str
) -> None:
    for scheme in ("https", "http"):
        error = post(f"{scheme}://{in_url(host)}:{listener.port}/")
        assert error, "refused"
    try:
        found = lookup(host, listener.port, True, ())
    except socket.gaierror:
        return
    except Forbidden:
        pass
    else:
        pytest.fail(f"allowed: {found}")
    assert listener.connections == 0


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses_are_allowed(host: str) -> None:
    try:
        found = lookup(host, 443, True, ())
    except socket.gaierror:
        pytest.skip("this machine has no IPv6")
    assert found
    with pytest.raises(Forbidden, match="use https"):
        lookup(host, 80, False, ())


def test_a_name_for_a_private_address_is_refused(listener: Receiver) -> None:
    assert post(f"https://localhost:{listener.port}/") == "no answer: the address is not public"
    assert post(f"http://localhost:{listener.port}/") == "no answer: http is not allowed, use https"
    assert listener.connections == 0


def resolves_to(*answers: str) -> Resolver:
    """A resolver whose answers come one after the other; the last is the answer from then on."""
    left = list(answers)

    def resolve(_host: str, port: int, **_: Any) -> list[Any]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in address.split()
        ]

    return resolve


@pytest.mark.parametrize(
    "answers",
    [("127.0.0.1",), ("192.0.2.1", "127.0.0.1"), ("8.8.8.8 127.0.0.1",), ("127.0.0.1 8.8.8.8",)],
    ids=["private", "private at once", "one of two", "the first of two"],
)
def test_a_name_is_refused_if_any_of_its_addresses_is_private(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(*answers))

    assert post(f"https://rebind.example:{listener.port}/")

    assert listener.connections == 0


def test_what_was_checked_is_what_is_connected_to(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is looked up, and loopback from then on (DNS rebinding)."""
    reached = []

    def connect(_socket: socket.socket, address: Any) -> None:
        reached.append(address)
        raise ConnectionRefusedError("nobody is there")

    monkeypatch.setattr(socket, "getaddrinfo", resolves_to("203.0.114.7", "127.0.0.1"))
    monkeypatch.setattr(socket.socket, "connect", connect)

    post(f"https://rebind.example:{listener.port}/")

    assert reached == [("203.0.114.7", listener.port)]


def test_a_redirect_is_not_followed(listener: Receiver) -> None:
    origin = Receiver()
    origin.behave = answer(307, location=listener.url)
    try:
        error = post(origin.url, (ip_network("127.0.0.0/8"),))
    finally:
        origin.stop()

    assert error == "it answered 307 Temporary Redirect"
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pw@127.0.0.1:{port}/", "http://user@127.0.0.1:{port}/",
        "http://8.8.8.8@127.0.0.1:{port}/", "http://127.0.0.1:{port}@8.8.8.8/",
        "http://127.0.0.1:{port}\\@8.8.8.8/", "gopher://127.0.0.1:{port}/",
        "file:///etc/passwd", "http://127.0.0.1:{port}abc/", "http://[127.0.0.1]:{port}/",
        "http:///x", "http://%6cocalhost:{port}/", "http://127.0.0.1:{port}#@8.8.8.8/",
        "http://127。0。0。1:{port}/", "http://ⓛⓞⓒⓐⓛhost:{port}/",
    ],
)  # fmt: skip
def test_tricks_in_the_address_lead_nowhere(listener: Receiver, url: str) -> None:
    assert post(url.format(port=listener.port))
    assert listener.connections == 0


def test_credentials_in_an_address_are_refused_even_in_an_allowed_network(
    listener: Receiver, functions: Session
) -> None:
    url = f"http://user:pw@127.0.0.1:{listener.port}/"
    assert post(url, (ip_network("127.0.0.0/8"),)) == "no answer: the URL has a user or a password"
    assert listener.connections == 0


def test_a_proxy_of_the_environment_is_not_used(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    assert post("https://localhost/") == "no answer: the address is not public"
    assert listener.connections == 0


def test_an_allowed_network_is_reached_over_http(listener: Receiver) -> None:
    assert post(listener.url, (ip_network("127.0.0.0/8"),)) is None
    assert post(listener.url, (ip_network("10.0.0.0/8"),))
    assert listener.connections == 1
