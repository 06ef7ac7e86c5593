"""Every text of a mail is shown, in its order, whatever container it comes in."""

import pytest

from service.mime.message import StoredMessage
from service.mime.parse import parse_raw
from tests.gmail.conftest import raw_message

TEXT, HTML, IMAGE = "Content-Type: text/plain", "Content-Type: text/html", "Content-Type: image/png"


def mail(kind: str, *parts: tuple[str, str]) -> str:
    body = "".join(f"--b-{kind}\r\n{head}\r\n\r\n{content}\r\n" for head, content in parts)
    return f"Content-Type: multipart/{kind}; boundary=b-{kind}\r\n\r\n{body}--b-{kind}--\r\n"


def nested(kind: str, *parts: tuple[str, str]) -> tuple[str, str]:
    head, _, body = mail(kind, *parts).partition("\r\n\r\n")
    return head, body


def read(source: str) -> StoredMessage:
    return parse_raw(raw_message(source.encode()))


def words(text: str | None, *wanted: str) -> list[str]:
    """The wanted words in the order in which the text has them."""
    return sorted((word for word in wanted if word in (text or "")), key=(text or "").index)


@pytest.mark.parametrize(
    "source",
    [
        mail("mixed", (TEXT, "alpha"), (HTML, "<p>beta</p>")),
        mail("mixed", (HTML, "<p>alpha</p>"), (TEXT, "beta")),
        mail("mixed", (TEXT, "alpha"), (IMAGE, "x"), (HTML, "<b>beta</b>")),
        mail("related", (HTML, "<p>alpha</p>"), (TEXT, "beta")),
        mail("mixed", nested("alternative", (TEXT, "alpha"), (HTML, "alpha")), (TEXT, "beta")),
        mail(
            "mixed",
            nested("related", (HTML, "alpha"), (IMAGE, "x")),
            nested("mixed", (TEXT, "beta")),
        ),
        mail("alternative", (TEXT, "alpha beta"), nested("mixed", (HTML, "alpha"), (TEXT, "beta"))),
        mail(
            "report",
            (HTML, "alpha"),
            ("Content-Type: message/delivery-status", "x"),
            (TEXT, "beta"),
        ),
    ],
)
def test_text_and_html_side_by_side_are_both_shown_in_either_form(source: str) -> None:
    message = read(source)
    for body in (message.body_text, message.body_html):
        assert words(body, "alpha", "beta") == ["alpha", "beta"]
        assert (body or "").count("beta") == 1


def test_two_forms_of_one_text_are_not_shown_twice() -> None:
    message = read(mail("alternative", (TEXT, "alpha"), (HTML, "<p>beta</p>")))
    assert (message.body_text, message.body_html) == ("alpha", "<p>beta</p>")


def test_what_was_plain_is_not_read_as_markup() -> None:
    message = read(mail("mixed", (HTML, "<p>a</p>"), (TEXT, "1 < 2\r\n<script>")))
    assert "1 &lt; 2\r\n&lt;script&gt;" in (message.body_html or "")


@pytest.mark.parametrize(
    "source",
    [
        f"{HTML}\r\n\r\n<p>a</p>",
        mail("mixed", (HTML, "<p>a</p>"), (TEXT, " ")),
        mail("alternative", (TEXT, "\t"), (HTML, "<p>a</p>")),
        mail("alternative", (TEXT, ""), (HTML, "<p>a</p>")),
    ],
)
def test_where_no_text_was_sent_it_is_made_of_the_html(source: str) -> None:
    message = read(source)
    assert (message.body_text, message.body_html) == ("a", "<p>a</p>")
    assert message.html_text is None


def test_what_only_the_html_says_is_kept_for_search() -> None:
    stub = mail("alternative", (TEXT, "Your client shows no HTML."), (HTML, "<p>alpha"))
    message = read(stub)
    assert (message.body_text, message.html_text) == ("Your client shows no HTML.", "alpha")


NAMED = "Content-Type: text/plain; name=notes.txt"


@pytest.mark.parametrize(
    "source", [f"{NAMED}\r\n\r\nalpha", mail("mixed", (IMAGE, "x"), (NAMED, "alpha"))]
)
def test_a_text_with_a_name_is_the_text_where_there_is_no_other(source: str) -> None:
    message = read(source)
    assert message.body_text == "alpha"
    assert "notes.txt" in [each.filename for each in message.attachments]


def test_a_text_with_a_name_is_an_attachment_beside_others() -> None:
    assert read(mail("mixed", (TEXT, "alpha"), (NAMED, "beta"))).body_text == "alpha"
    attached = f"{NAMED}\r\nContent-Disposition: attachment"
    assert read(f"{attached}\r\n\r\nalpha").body_text is None


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (
            "https://x.example/a \r\nb. Thanks \r\n me\r\nend",
            "https://x.example/ab. Thanks me\r\nend",
        ),
        ("東京 \r\nタワー \r\n", "東京タワー"),
        ("> a \r\n> b \r\nc \r\n> d\r\n", "> a \r\n> b \r\nc \r\n> d\r\n"),
        ("a \r\n-- \r\nAnn \r\nLee", "a \r\n-- \r\nAnnLee"),
    ],
)
def test_lines_that_a_mailer_cut_are_whole_again(sent: str, text: str) -> None:
    flowed = f'{TEXT}; charset=utf-8; format=flowed; DelSp="yes"'
    assert read(f"{flowed}\r\n\r\n{sent}").body_text == text
    assert read(f"{TEXT}; format=flowed; delsp=no\r\n\r\n{sent}").body_text == sent


def test_a_form_of_the_text_is_shown_whatever_its_name() -> None:
    named = f"{HTML}; name=mail.html\r\nContent-Disposition: inline"
    message = read(mail("mixed", nested("alternative", (TEXT, "alpha"), (named, "<p>beta</p>"))))
    assert (message.body_text, message.body_html) == ("alpha", "<p>beta</p>")
    assert [each.inline for each in message.attachments] == [True]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("markdown", "# alpha"), ("enriched", "# alpha"), ("x-own", "# alpha"), ("calendar", None)],
)
def test_an_unknown_kind_of_text_is_plain_where_there_is_no_other(kind: str, text: str) -> None:
    unknown = f"Content-Type: text/{kind}"
    assert read(f"{unknown}\r\n\r\n# alpha").body_text == text
    assert read(mail("mixed", (TEXT, "beta"), (unknown, "# alpha"))).body_text == "beta"


SHOWS = '<img src="cid:a%25b&amp;c@x">'
ID = "Content-ID: <a%b&c@x>"


@pytest.mark.parametrize(
    ("markup", "head", "inline"),
    [
        (SHOWS, f"{IMAGE}\r\n{ID}", True),
        (SHOWS, f"{IMAGE}\r\n{ID}\r\nContent-Disposition: inline", True),
        (SHOWS, f"{IMAGE}\r\n{ID}\r\nContent-Disposition: attachment", False),
        (SHOWS, f"{IMAGE}\r\nContent-ID: <other@x>", False),
        ("<p>", f"{IMAGE}\r\n{ID}", False),
        # As Apple Mail sends files and pictures.
        ("<p>", "Content-Type: application/pdf\r\nContent-Disposition: inline", False),
        ("<p>", f"{IMAGE}\r\nContent-Disposition: inline", False),
        ("<p>", "Content-Type: text/x-amp-html", True),
    ],
)
def test_inline_is_what_the_text_shows(markup: str, head: str, inline: bool) -> None:
    message = read(mail("related", (HTML, markup), (head, "x")))
    assert [each.inline for each in message.attachments] == [inline]
