"""Docstrings, comments and the words of the page are in plain English."""

from pathlib import Path

import pytest

from tests.conventions.prose import faults, python_prose, toml_prose

ROOT = Path(__file__).parents[2]
WORDS = ROOT / "service/web/locales/en.toml"
# Files still to be rewritten; the list only shrinks.
PENDING = [
    "service/api/auth/cookies.py", "service/api/auth/keys.py", "service/api/auth/security.py",
    "service/api/auth/tokens.py", "service/api/connect.py", "service/api/events.py",
    "service/api/health.py", "service/api/mail.py", "service/api/metrics.py", "service/api/push.py",
    "service/api/sync.py", "service/app.py", "service/gmail/api.py", "service/gmail/classify.py",
    "service/gmail/client.py", "service/gmail/multipart.py", "service/gmail/transport.py",
    "service/google/credentials.py", "service/simulator/admin.py", "service/simulator/faults.py",
    "service/web/__init__.py", "service/web/activity.py", "service/web/charts.py",
    "service/web/cid_images.py", "service/web/mail.py", "service/web/mail_text.py",
    "service/web/operator.py", "service/web/pages.py", "service/web/run_text.py",
    "service/web/sign_in.py", "service/web/static.py", "service/web/sync.py",
    "service/web/locales/en.toml",
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
