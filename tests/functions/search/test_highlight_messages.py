"""highlight_messages."""

import pytest

from service.postgres.calls import Row, Session
from tests.functions.conftest import claimed, message, store

FOUND, END = "\ufdd0", "\ufdd1"


def highlight(functions: Session, query: str, *message_ids: str, user: str = "ann") -> list[Row]:
    return functions.rows("highlight_messages", user, list(message_ids), query)


def stored(functions: Session, **columns: object) -> None:
    store(functions, claimed(functions), message("m", **columns))


def marked(functions: Session, query: str, column: str = "excerpt") -> str:
    (row,) = highlight(functions, query, "m")
    return str(row[column]).replace(FOUND, "[").replace(END, "]")


def test_found_words_are_marked_wherever_they_stand(functions: Session) -> None:
    stored(
        functions,
        subject="Invoice for the boat",
        sender="Invoice Office <office@mail.example>",
        body_text="Dear Ann, the invoice is attached.",
    )
    assert marked(functions, "invoice", "subject") == "[Invoice] for the boat"
    assert marked(functions, "invoice", "sender") == "[Invoice] Office <office@mail.example>"
    excerpt = marked(functions, '"the invoice" OR sail')
    assert excerpt == "Dear Ann, [the] [invoice] is attached."


def test_only_what_was_searched_for_is_marked(functions: Session) -> None:
    stored(functions, subject="sail or harvest, and the boat's e-mail")
    assert marked(functions, "harvest OR boat's", "subject") == (
        "sail or [harvest], and the [boat]'[s] e-mail"
    )
    assert marked(functions, "harvest -sail", "subject").startswith("sail or [harvest]")
    assert marked(functions, "-storm", "subject") == "sail or harvest, and the boat's e-mail"


def test_an_excerpt_is_short_and_around_the_words(functions: Session) -> None:
    stored(functions, body_text="before " * 300 + "the harvest is in" + " after" * 300)
    excerpt = marked(functions, "harvest")
    assert "before the [harvest] is in after" in excerpt
    assert len(excerpt) < 300


@pytest.mark.parametrize(
    ("before", "word"),
    [
        ("سَلَامٌ ", "مَرْحَبًا"),
        ("ß ", "straße"),
        ("e\u0301 ", "cafe\u0301"),
        ("\u1112\u1161\u11ab ", "회의"),
        ("½ ", "fin"),
    ],
)
def test_an_excerpt_is_around_words_after_a_text_that_folds_longer_or_shorter(
    functions: Session, before: str, word: str
) -> None:
    """One of accents is shorter when it is folded, one of ß is longer."""
    length = 9_000 // len(before)
    stored(functions, body_text=before * length + word + f" {before}" * 60)
    excerpt = marked(functions, word)
    assert f"{before}[{word}] {before}" in excerpt
    assert len(excerpt) < 300


def test_where_no_word_is_near_the_beginning_there_is_no_excerpt(functions: Session) -> None:
    stored(functions, body_text="x " * 6000 + "harvest")
    assert marked(functions, "harvest") == "None"


def test_markup_in_a_text_is_text(functions: Session) -> None:
    stored(functions, subject="<b>harvest</b> &amp;")
    assert marked(functions, "harvest", "subject") == "<b>[harvest]</b> &amp;"


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("cafe", "Zum CAFÉ, cafe\u0301 und Cafeteria", "Zum [CAFÉ], [cafe\u0301] und Cafeteria"),
        ("合同 北京", "我们在北京见面，合同条款如下", "我们在[北京]见面，[合同]条款如下"),
        ("회의", "회의실에서", "[회의]실에서"),
        ("สวัสดี", "บอกสวัสดีครับ", "บอก[สวัสดี]ครับ"),
        ("счет", "Ваш СЧЁТ готов", "Ваш [СЧЁТ] готов"),
        ("from:ann subject:harvest -boat", "ann, harvest boat", "[ann], [harvest] boat"),
        ("INV-2024-001", "ref INV-2024-001.", "ref [INV]-[2024]-[001]."),
    ],
)
def test_words_of_all_scripts_are_marked(
    functions: Session, query: str, text: str, expected: str
) -> None:
    stored(functions, body_text=text)
    assert marked(functions, query) == expected


def test_nobody_forges_a_mark(functions: Session) -> None:
    forged = f"{FOUND}not found{END}{END} {FOUND}harvest"
    stored(functions, subject=forged, sender=forged, body_text=forged)
    for column in ("subject", "sender", "excerpt"):
        assert marked(functions, "harvest", column) == "not found [harvest]"


def test_only_ones_own_messages_that_are_asked_for(functions: Session) -> None:
    stored(functions)
    store(functions, claimed(functions, "bo"), message("theirs", body_text="hello"))
    assert [row["message_id"] for row in highlight(functions, "hello", "m", "theirs", "no")] == [
        "m"
    ]
    assert highlight(functions, "hello") == []


@pytest.mark.parametrize("query", ["", "' \\ & | ! ( :*", "-hello", "it's a\\b 'c d'", "标签 邮件"])
def test_no_query_fails(functions: Session, query: str) -> None:
    stored(functions, body_text="it's a hello")
    assert len(highlight(functions, query, "m")) == 1


@pytest.mark.parametrize("query", ["a " * 250, f'"{"a " * 250}"', "a b c d -e " * 40, "字" * 250])
@pytest.mark.parametrize("text", ["a " * 10_000, "a-" * 10_000, "<" * 20_000])
def test_no_query_takes_long(functions: Session, query: str, text: str) -> None:
    """Asked for all of these words at once, ts_headline takes minutes, and the session's
    statement_timeout would end it."""
    stored(functions, subject=text, body_text=text)
    highlight(functions, query, "m")
