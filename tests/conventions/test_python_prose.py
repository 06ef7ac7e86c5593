"""Docstrings, comments and the words of the page are in plain English."""

from pathlib import Path

import pytest

from tests.conventions.prose import faults, python_prose, toml_prose

ROOT = Path(__file__).parents[2]
WORDS = ROOT / "service/web/locales/en.toml"
# Files still to be rewritten; the list only shrinks.
PENDING = [
    "service/api/auth/cookies.py", "service/api/auth/keys.py", "service/api/auth/make_token.py",
    "service/api/auth/security.py", "service/api/auth/tokens.py", "service/api/connect.py",
    "service/api/events.py", "service/api/health.py", "service/api/mail.py",
    "service/api/metrics.py", "service/api/push.py", "service/api/sync.py", "service/app.py",
    "service/cli/monitor.py", "service/gmail/api.py", "service/gmail/classify.py",
    "service/gmail/client.py", "service/gmail/multipart.py", "service/gmail/transport.py",
    "service/google/credentials.py", "service/simulator/admin.py", "service/simulator/consent.py",
    "service/simulator/encoding.py", "service/simulator/errors.py",
    "service/simulator/fault_effects.py", "service/simulator/faults.py",
    "service/simulator/gateway.py", "service/simulator/generate.py",
    "service/simulator/headers.py", "service/simulator/lists.py", "service/simulator/mail.py",
    "service/simulator/mailbox.py", "service/simulator/multipart.py",
    "service/simulator/publisher.py", "service/simulator/resources.py", "service/web/__init__.py",
    "service/web/activity.py", "service/web/charts.py", "service/web/cid_images.py",
    "service/web/mail.py", "service/web/mail_text.py", "service/web/operator.py",
    "service/web/pages.py", "service/web/run_text.py", "service/web/sign_in.py",
    "service/web/static.py", "service/web/sync.py", "tests/api/issuer.py",
    "tests/api/test_auth_matrix.py", "tests/api/test_connect.py", "tests/api/test_fuzz.py",
    "tests/api/test_isolation.py", "tests/api/test_issuer.py", "tests/api/test_push.py",
    "tests/api/test_requests.py", "tests/api/test_security.py", "tests/chaos/clicks.py",
    "tests/chaos/network.py", "tests/chaos/postgres.py", "tests/chaos/proxy.py",
    "tests/chaos/releases.py", "tests/chaos/site.py", "tests/chaos/soak.py",
    "tests/chaos/streams.py", "tests/chaos/test_clicks.py", "tests/chaos/test_proxy.py",
    "tests/chaos/trial.py", "tests/cli/test_monitor.py", "tests/cluster.py",
    "tests/functions/accounts/test_accounts.py",
    "tests/functions/accounts/test_disconnect_account.py", "tests/functions/conftest.py",
    "tests/functions/consistency/test_check_sync_consistency.py",
    "tests/functions/mail/test_store_messages.py", "tests/functions/shared/test_plans.py",
    "tests/functions/shared/test_search_path.py", "tests/gmail/test_classify.py",
    "tests/gmail/test_fetch.py", "tests/model/interleavings.py", "tests/model/model.py",
    "tests/model/test_lock_order.py", "tests/model/test_state_machine.py",
    "tests/simulator/test_admin.py", "tests/waiting.py", "tests/web/screenshots.py",
    "tests/web/test_mail_html.py", "tests/web/test_visit.py", "tests/worker/test_account_end.py",
    "tests/worker/test_content.py", "tests/worker/test_faults.py", "tests/worker/test_fuzz.py",
    "tests/worker/test_mail_traps.py", "tests/worker/test_mangled_answers.py",
    "tests/worker/test_progress.py", "tests/worker/test_quota.py",
    "tests/worker/test_real_mail.py", "tests/worker/test_reauth.py",
    "tests/worker/test_verify.py", "service/web/locales/en.toml",
]  # fmt: skip
FILES = [
    str(path.relative_to(ROOT))
    for top in ("db", "service", "tests")
    for path in sorted((ROOT / top).rglob("*.py"))
]


def found_in(name: str) -> list[str]:
    path = ROOT / name
    prose = toml_prose if path.suffix == ".toml" else python_prose
    return [fault for text in prose(path.read_text()) for fault in faults(text)]


def test_python_and_words_are_written_in_plain_english() -> None:
    names = [name for name in [*FILES, str(WORDS.relative_to(ROOT))] if name not in PENDING]
    assert {name: found for name in names if (found := found_in(name))} == {}


@pytest.mark.parametrize(
    ("source", "prose"),
    [
        ('"""One.\n\nA └── B\n"""\n', ["One."]),
        ('def name() -> None:\n    """Calls `a b c`."""\n', ["Calls code."]),
        ("# First\n# second.\nname = 1  # type: ignore\n", ["First second."]),
    ],
)
def test_prose_of_a_module(source: str, prose: list[str]) -> None:
    texts = (" ".join(text.split()) for text in python_prose(source))
    assert [text for text in texts if text] == prose
