"""A search has the same answers whatever the locale of the database."""

import secrets
from collections.abc import Iterator
from typing import LiteralString

import pytest
from psycopg.types.json import Jsonb

from service import migrate
from service.postgres.calls import Session
from tests.cluster import Cluster
from tests.functions.conftest import claimed, message, store

# Turkish is the one that lowers I to ı, and C the one that knows ASCII only.
LOCALES: dict[str, LiteralString] = {
    "C": "locale 'C'",
    "Turkish": "locale_provider icu icu_locale 'tr-TR' locale 'C.UTF-8'",
}
TEXTS = {
    "turkish": "ISPARTA İstanbul ığdır title",
    "german": "STRASSE Grüße Œuvre ÆTHER",
    "polish": "Łódź",
    "russian": "Счёт готов",
    "greek": "ΟΔΥΣΣΕΑΣ Αθήνα",
    "arabic": "شُكْرًا كثيرا ٢٠٢٤",
    "hebrew": "שָׁלוֹם",
    "hindi": "नमस्ते दुनिया",
    "chinese": "关于合同的通知",
    "korean": "회의는 내일",
    "thai": "สวัสดีครับ",
    "forms": "ﬁn①ale ＦＵＬＬ cafe\u0301 so\u00adft",
}
FOUND = {
    "isparta": "turkish", "ISPARTA": "turkish", "ISTANBUL": "turkish", "istanbul": "turkish",
    "IĞDIR": "turkish", "TITLE": "turkish", "strasse": "german", "straße": "german",
    "grusse": "german", "oeuvre": "german", "æther": "german", "lodz": "polish",
    "ŁÓDŹ": "polish", "СЧЕТ": "russian", "ГОТОВ": "russian", "οδυσσεας": "greek",
    "ΑΘΗΝΑ": "greek", "شكرا": "arabic", "٢٠٢٤": "arabic", "שלום": "hebrew", "नमस्ते": "hindi",
    "合同": "chinese", "关于　通知": "chinese", "회의": "korean", "สวัสดี": "thai",
    "fin1ale": "forms", "full": "forms", "CAFÉ": "forms", "soft": "forms",
    "soft\u00a0full": "forms", '"soft\u00a0full"': "", "FROM:BO ISPARTA": "turkish",
    "IN:INBOX İSTANBUL": "turkish",
    "LABEL:İŞLER": "turkish", "label:isler": "turkish", "FILENAME:INDIR": "",
    "has:ATTACHMENT": "", "IS:UNREAD": "", "after:٢٠٢٤/٠١/٠١": "", "larger:١": "",
    "newer_than:٣d": "", "after:１７０００００００": "",
}  # fmt: skip


@pytest.fixture(scope="module", params=LOCALES)
def functions(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Session]:
    """The functions in a database of that locale, with a message for each of TEXTS."""
    name = f"test_{secrets.token_hex(6)}"
    cluster.create_database(name, "template0", LOCALES[request.param])
    migrate.upgrade(cluster.url(name))
    session = Session(cluster.url(name), "test")
    task_id = claimed(session)
    labels = [{"id": "Label_1", "name": "İşler", "type": "user"}]
    session.rows("store_labels", task_id, Jsonb(labels))
    store(
        session,
        task_id,
        *(
            message(name, "INBOX", *["Label_1"] * (name == "turkish"), body_text=text)
            for name, text in TEXTS.items()
        ),
    )
    session.value("index_messages", 1000)
    yield session
    session.close()
    cluster.drop_database(name)


@pytest.mark.parametrize("query", FOUND)
def test_a_search_does_not_depend_on_the_locale(functions: Session, query: str) -> None:
    rows = functions.rows("search_messages", "ann", query)
    assert {row["message_id"] for row in rows} == set(FOUND[query].split())


def test_marks_do_not_depend_on_the_locale(functions: Session) -> None:
    for name, query, marked in [
        ("turkish", "isparta istanbul", "[ISPARTA] [İstanbul] ığdır title"),
        ("chinese", "合同　通知", "关于[合同]的[通知]"),
        ("russian", "СЧЕТ", "[Счёт] готов"),
        ("forms", "café", "ﬁn①ale ＦＵＬＬ [cafe\u0301] so\u00adft"),
    ]:
        row = functions.row("highlight_messages", "ann", [name], query)
        assert row is not None
        assert row["excerpt"].replace("\ufdd0", "[").replace("\ufdd1", "]") == marked
