"""The text of HTML is what a person sees of it."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mime.html_text import UNSEEN_TAGS, seen_text, text_of_html
from service.mime.text import storable
from service.web.sanitize import DROPPED_TAGS


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain text", "plain text"),
        ("Gr&uuml;&szlig;e &#20013;&#x6587; &amp;amp; &nbsp; x", "Grüße 中文 &amp; x"),
        ("<meta charset=gb2312>Grüße", "Grüße"),
        ("he<b>ll</b>o<i>!</i> in<span>voi</span>ce", "hello! invoice"),
        ("soft&shy;hyphen zero&#8203;width no<wbr>break", "softhyphen zerowidth nobreak"),
        ("a &#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;b", "a b"),
        ("نمی&zwnj;خواهم 👩&zwj;👧", "نمی\u200cخواهم 👩\u200d👧"),
        ("one<br>two<br/><br>three", "one\ntwo\n\nthree"),
        ("<div>one</div><div>two</div>three", "one\ntwo\nthree"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<table><tr><td>a<td>b<tr><th>c</table>", "a b\nc"),
        ("a\r\n  b\tc", "a b c"),
        ("<pre>a\nb</pre>", "a\nb"),
        ("<pre>a\n <b>b</b>\n\nc</pre>d", "a\nb\n\nc\nd"),
        (
            "<div style='font-size:0'><p style='font:9px x'>a</p><p style='font:9px x'>b</p></div>",
            "a\n\nb",
        ),
        ("<div><br>a<br></div><div><br><br></div>b", "a\n\nb"),
        ("a <a href='https://x.example'>link</a>", "a link"),
        ("<img alt='A picture' src='data:image/png;base64,AAAA'>end", "A picture end"),
        ("<head><title>no</title><style>no{}</style></head>yes", "yes"),
        ("<style>no{}</style><script>no()</script>yes", "yes"),
        ("a<!-- no -->b<!--[if mso]>no<![endif]-->c<![if !mso]>d<![endif]>", "abcd"),
        ("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
        ("a<b c", "a"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("x</body></html>after", "x\nafter"),
        ("", ""),
    ],
)
def test_html_is_read_as_people_see_it(markup: str, text: str) -> None:
    assert text_of_html(markup) == text


@pytest.mark.parametrize(
    "hidden",
    [
        "<div style='display:none'>{}</div>",
        "<div style='color:red; DISPLAY : none !important'>{}</div>",
        "<p hidden>{}</p>",
        "<span style='visibility:hidden'>{}</span>",
        "<span style='font-size:0px'>{}</span>",
        "<span style='font-size:1px;line-height:1px'>{}</span>",
        "<span style='font:0/0 a'>{}</span>",
        "<div style='opacity:0'>{}</div>",
        "<div style='max-height:0;overflow:hidden'>{}</div>",
        "<div style='display:none'><div style='display:block'>{}</div></div>",
        "<img alt='{}' style='display:none'>",
        "<noscript>{}</noscript>",
        "<select><option>{}</select>",
    ],
)
def test_what_is_hidden_is_not_read(hidden: str) -> None:
    assert text_of_html(f"a {hidden.format('secret')} b").split() == ["a", "b"]
    assert text_of_html(f"<p>a</p>{hidden.format('secret<i></i>')}<p>b</p>").split() == ["a", "b"]


@pytest.mark.parametrize(
    "shown",
    [
        "<td style='font-size:0'><div style='font-size:14px'>{}</div></td>",
        "<p style='visibility:hidden'><b style='visibility:visible'>{}</b></p>",
        "<p style='font-size:0.9em;opacity:0.5;max-height:0'>{}</p>",
        "<p style='font-size:0'><b style='font:12px/0 Arial'>{}</b></p>",
        "<p style='mso-hide:all'>{}</p>",
        "<p style='display:none'>no</p>{}",
    ],
)
def test_what_an_inner_style_shows_is_read(shown: str) -> None:
    assert text_of_html(shown.format("seen")) == "seen"


def test_the_page_and_the_search_leave_out_the_same_elements() -> None:
    assert UNSEEN_TAGS == DROPPED_TAGS


@pytest.mark.parametrize(
    "before",
    [
        "<style>" + ".a{color:red}" * 20_000 + "</style>",
        f"<img src='data:image/png;base64,{'QUJD' * 4_000_000}'>",
        f"<!--{'x' * 1_000_000}-->",
        "<p>" * 100_000,
    ],
    ids=["a style sheet", "an image of 16 MB", "a comment", "open elements"],
)
def test_no_length_before_the_text_cuts_it_away(before: str) -> None:
    assert text_of_html(f"{before}walrus") == "walrus"


@pytest.mark.parametrize(
    ("text", "markup", "extra"),
    [
        ("one two", "<p>One <b>two</b>", None),
        ("one two", "<p>one two<p>three", "three"),
        ("one two", "<p>Two three.<p>one<p>three", "Two three."),
        ("View this in a browser", "<h1>Sale</h1>in a <b>browser</b>", "Sale"),
        ("会议\n通知在北京", "<p>会议通知<br>在北京", None),
        ("会议通知", "<p>会通议知", "会通议知"),
        ("Straße ＡＢＣ", "<p>strasse abc", None),
        ("a bc", "<p>a<b>bc</b>d", "abcd"),
        ("one two", "<img alt='Two three'>one", "Two three one"),
        ("one < two", "<P TITLE=three>one &lt; t&#119;o<!-- four -->", None),
        ("café", "<p>caf&eacute; <style>b{}</style>", None),
        ("one", "one<p hidden>two</p>", None),
        ("text", "<style>x{}</style>", None),
        ("text", None, None),
        ("text", "", None),
    ],
)
def test_lines_of_the_html_with_words_of_their_own_are_extra(
    text: str, markup: str | None, extra: str | None
) -> None:
    assert seen_text(text, markup) == (text, extra)


@pytest.mark.parametrize("text", [None, "", " \r\n\t\xa0"])
def test_without_a_text_that_of_the_html_is_the_text(text: str | None) -> None:
    assert seen_text(text, "<p>Hello") == ("Hello", None)
    assert seen_text(text, "<img src=x>") == (text, None)
    assert seen_text(text, None) == (text, None)


WORD = st.text("abcäöé中文х", min_size=1, max_size=6)
INLINE = st.sampled_from(["<b>{}</b>", "<i style='color:red'>{}</i>", "<!--x-->{}", "&shy;{}"])
BLOCK = st.sampled_from(["<p>{}</p>", "<div>{}<br></div>", "<table><tr><td>{}</table>", "<li>{}"])
HIDING = st.sampled_from(["<p style='display:none'>{}</p>", "<script>{}</script>", "<!--{}-->"])


def wrapped(word: str, inline: str, block: str) -> tuple[str, str]:
    half = len(word) // 2
    return block.format(word[:half] + inline.format(word[half:])), word


def hidden(word: str, hiding: str) -> tuple[str, str]:
    return hiding.format(word), ""


@given(st.lists(st.builds(wrapped, WORD, INLINE, BLOCK) | st.builds(hidden, WORD, HIDING)))
def test_words_that_are_shown_are_read_whole_and_apart(pieces: list[tuple[str, str]]) -> None:
    markup = "".join(piece for piece, _ in pieces)
    assert text_of_html(markup).split() == [word for _, word in pieces if word]


@given(st.text() | st.text("<>/!-[]&;#='\" abdivp0\0\ud800"))
def test_any_text_is_html_whose_text_can_be_stored(markup: str) -> None:
    for text in seen_text("x", markup):
        assert text is None or storable(text) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda size: "<" * size,
        lambda size: "<style>" * size,
        lambda size: "<!--" * size,
        lambda size: "<div>" * size,
        lambda size: "<b>" * size + "<p>x" * size,
        lambda size: "<a " + " ".join(f"a{number}=1" for number in range(size // 10)),
        lambda size: "<a b='" * size,
        lambda size: "<table><td>" * size,
        lambda size: "<p style='" + "a:b;" * size + "'>",
        lambda size: "".join(f"<p style='font-size:{number}px'>" for number in range(size // 10)),
        lambda size: "&" * size,
        lambda size: "alt" * size + "alt=" * size + "alt='" * size,
        lambda size: "<div><p>" * size + " " * size + "<br>" * size,
        lambda size: "<p style='font-size:0'>a<b style='font-size:9px'>" * (size // 10),
        lambda size: "&#8203;&zwnj; " * size,
        lambda size: "中 " * size,
    ],
)
def test_the_time_for_hostile_html_grows_with_its_length(make: Callable[[int], str]) -> None:
    markup = make(100_000)
    began = time.process_time()
    seen_text("中 文", markup)
    assert time.process_time() - began < 2
