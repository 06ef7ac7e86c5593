"""Tokens: renewed where that helps, with a timeout on every path, never in a loop."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from google.oauth2.credentials import Credentials

from service.gmail import errors
from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from service.google.credentials import load_credentials
from service.simulator import Fault, Mailbox, Simulator
from tests.gmail.conftest import EMAIL, REFRESH_TOKEN, TOKEN, Connect, patience


def test_a_missing_token_is_fetched_before_the_first_call(
    connect: Connect, simulator: Simulator
) -> None:
    stored: list[Credentials] = []
    client = connect(token="", refresh_token=REFRESH_TOKEN, on_refresh=stored.append)
    assert client.profile().email == EMAIL
    assert [credentials.valid for credentials in stored] == [True]
    assert simulator.requests.statuses["getProfile 401"] == 0


def test_an_expired_token_is_renewed_and_the_request_left_to_the_caller(
    connect: Connect, simulator: Simulator
) -> None:
    simulator.tokens.expire(TOKEN)
    client = connect(refresh_token=REFRESH_TOKEN)
    with pytest.raises(errors.TokenExpired):
        client.profile()
    assert simulator.requests.methods == {"getProfile": 1, "token": 1}
    assert client.profile().email == EMAIL


def test_a_token_refused_again_after_its_refresh_asks_for_a_new_sign_in(
    connect: Connect, simulator: Simulator
) -> None:
    simulator.faults.add(Fault("getProfile", "error", status=401))
    client = connect(refresh_token=REFRESH_TOKEN)
    with pytest.raises(errors.TokenExpired):
        client.profile()
    with pytest.raises(errors.ReauthRequired):
        client.profile()
    assert simulator.requests.methods["token"] == 1
    assert simulator.requests.methods["getProfile"] == 2


def test_only_an_access_token_is_not_refreshed(connect: Connect, simulator: Simulator) -> None:
    simulator.tokens.expire(TOKEN)
    with pytest.raises(errors.ReauthRequired):
        connect().profile()
    assert simulator.requests.methods["token"] == 0


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_revoked_grant_asks_for_a_new_sign_in(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, token: str
) -> None:
    simulator.tokens.revoke(EMAIL)
    client = connect(token, refresh_token=REFRESH_TOKEN)
    with pytest.raises(errors.ReauthRequired) as raised:
        client.fetch(mailbox.message_ids()[:3], "full")
    assert raised.value.reason == "invalid_grant"


def test_all_clients_of_an_account_ask_once_about_a_revoked_grant(
    simulator: Simulator, mailbox: Mailbox
) -> None:
    stored = {"token": TOKEN, "refresh_token": REFRESH_TOKEN}
    credentials = load_credentials(stored, f"{simulator.url}/token", "id", "secret")
    api = GmailApi(simulator.url)
    simulator.tokens.revoke(EMAIL)
    for _ in range(3):
        with GmailClient(api, credentials) as client, pytest.raises(errors.ReauthRequired):
            client.fetch(mailbox.message_ids()[:3], "full")
    assert simulator.requests.methods == {"batch": 1, "token": 1}


@pytest.mark.parametrize("token", [TOKEN, ""], ids=["refused", "missing"])
def test_ten_threads_renew_a_token_once_and_save_it_once(
    simulator: Simulator, mailbox: Mailbox, token: str
) -> None:
    simulator.tokens.expire(TOKEN)
    saved: list[str] = []
    stored = {"token": token, "refresh_token": REFRESH_TOKEN}
    uri, api = f"{simulator.url}/token", GmailApi(simulator.url)
    credentials = load_credentials(
        stored, uri, "id", "secret", lambda renewed: saved.append(renewed.token)
    )
    together = threading.Barrier(10)

    def call(_: int) -> str:
        with GmailClient(api, credentials) as client:
            together.wait(10)
            with suppress(errors.TokenExpired):
                client.profile()
            return client.profile().email

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(call, range(10))) == [EMAIL] * 10
    assert saved == [credentials.token]
    assert simulator.requests.methods["token"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("token", "html", status=503),
        Fault("token", "html", status=200),
        Fault("token", "cut"),
        Fault("token", "truncate"),
        Fault("token", "drop"),
        Fault("token", "hang"),
    ],
)
def test_a_failing_token_endpoint_is_transient_and_does_not_sleep(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, fault: Fault
) -> None:
    simulator.faults.add(fault)
    client = connect(token="", refresh_token=REFRESH_TOKEN, timeout=patience(fault))
    with pytest.raises(errors.Transient):
        client.fetch(mailbox.message_ids()[:3], "full")
    # google-auth by itself would try three times, and sleep for a second at least in between.
    # (One that hangs was not answered, so it is not in the log.)
    assert simulator.requests.methods["token"] == (fault.action != "hang")


def test_parts_of_a_batch_whose_token_expired_renew_it_once(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("messages.get", "error", status=401, after=2, count=3))
    ids = mailbox.message_ids()[:6]
    fetched = connect(refresh_token=REFRESH_TOKEN).fetch(ids, "full")
    expired = [type(each.error) for each in fetched if each.error]
    assert expired == [errors.TokenExpired] * 3
    assert simulator.requests.methods["token"] == 1
    assert simulator.requests.methods["messages.get"] == 6


def test_parts_refused_without_a_refresh_token_ask_for_a_new_sign_in(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("messages.get", "error", status=401, count=1))
    fetched = connect().fetch(mailbox.message_ids()[:3], "full")
    assert [type(each.error) for each in fetched] == [errors.ReauthRequired, type(None), type(None)]


def test_a_hung_token_endpoint_does_not_hang_a_batch(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("messages.get", "error", status=401))
    simulator.faults.add(Fault("token", "hang"))
    client = connect(refresh_token=REFRESH_TOKEN, timeout=2)
    fetched = client.fetch(mailbox.message_ids()[:3], "full")
    assert {type(each.error) for each in fetched} == {errors.Transient}


def test_a_token_refused_sometimes_is_neither_renewed_each_time_nor_rejected(
    connect: Connect, simulator: Simulator
) -> None:
    simulator.faults.add(Fault("getProfile", "error", status=401, every=2, after=1))
    client = connect(refresh_token=REFRESH_TOKEN)
    client.profile()
    client.profile()
    with pytest.raises(errors.TokenExpired):
        client.profile()
    client.profile()
    with pytest.raises(errors.Transient):
        client.profile()
    assert simulator.requests.methods["token"] == 1
