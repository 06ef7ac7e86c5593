"""Text stays readable when its colour or its background is taken away; a browser is the judge."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, sync_playwright

from service.mime.parse import parse_raw
from service.simulator.load import read
from service.web.contrast import INVISIBLE, LEAST_AFTER_LOSS, NAMED, colour_of
from service.web.sanitize import sanitize
from tests.web.conftest import CHROMIUM

MAIL = Path(__file__).parents[3] / "shared" / "mail"
TEMPLATE = Path(__file__).parents[2] / "service/web/templates/mail/body.html"
# For each text: the ratio of WCAG 2 to the nearest background, and its size.
JUDGE = """() => {
  const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92
    : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const behind = (element) => element === null ? [255, 255, 255]
    : over(parts(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const below = behind(element);
    const [a, b] = [light(below), light(over(parts(style.color), below))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), parseFloat(style.fontSize), text.slice(0, 40)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("Chromium, the judge, is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium.new_page()
        chromium.close()


def judged(browser: Page, html: str) -> list[tuple[float, float, str]]:
    """The contrast, the size and the text of each text in the frame of a message."""
    head = TEMPLATE.read_text().partition("</head>")[0].replace('{{ t("mail.title") }}', "")
    browser.set_content(f"{head}</head><body>{html}</body></html>")
    return [tuple(each) for each in browser.evaluate(JUDGE)]


@pytest.mark.parametrize(
    "html",
    [
        "<p style='background-image:url(https://x.example/y);color:#fff'>x",
        "<p style='background:#112 url(https://x.example/y) no-repeat;color:#fff'>x",
        "<p style='background:url(data:image/png;base64,AA==) #112;color:#fff'>x",
        "<p style='background:linear-gradient(#000,rgb(9,9,9));color:white'>x",
        "<p style='background:url(x) #fff;color:#000'>x",
        "<table background=x.png><tr><td><font color=#ffffff>x</font></table>",
        "<table><tr><td background=x.png style='color:fff;color:white'><b>x <a>y</a></b></table>",
        "<style>p{background:#000}</style><p style='color:#eee'>x",
        "<style>p{color:#eee}</style><p style='background:#000'>x <i>y</i>",
        "<style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><p style='color:#ddd'>x",
        "<style>p{color:#eee}</style><table bgcolor=navy><tr><td>x <a href=http://x>y</a></table>",
        "<body background=x.png text=white>x",
        "<body bgcolor=black text=white>x",
        "<style>a{color:#fff}</style><body bgcolor=black><a href=https://x.example>x</a>",
        "<p style='background:#000;color:var(--text)'>x",
        "<div bgcolor=black background=x><font color=white>x</font></div>",
        "<style>p{background:#000}</style><p style='color:rgba(255,255,255,.9)'>x",
        "<style>p{background:#000}</style><p style='color:hsl(0, 0%, 99%) !important'>x",
        "<style>.a{font-size:14px}</style><div style='font-size:0'><p class=a>x</div>",
    ],
)
def test_what_is_taken_away_takes_its_partner_along(browser: Page, html: str) -> None:
    texts = judged(browser, sanitize(html))
    assert texts
    for contrast, size, _ in texts:
        assert contrast >= LEAST_AFTER_LOSS
        assert size > 0


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ('<p style="color:#ccc">light</p>', "color:#ccc"),
        ('<p style="background:#000;color:#fff">both</p>', "background:#000;color:#fff"),
        ('<table bgcolor="black"><td><font color="white">x', '<font color="white">'),
        ('<font color="C00FEE">x', '<font color="#c00fee">'),
    ],
)
def test_colours_that_can_be_read_are_kept(html: str, kept: str) -> None:
    assert kept in sanitize(html)


def test_colours_are_what_a_browser_takes_them_for(browser: Page) -> None:
    browser.set_content("<p>")
    more = ["#abc", "#abcd", "#a1b2c3", "rgb(1, 2, 3)", "rgb(10% 20% 30%)", "hsl(120, 50%, 25%)"]
    for name in [*NAMED, *more]:
        shown = browser.evaluate(
            "(name) => { const style = document.querySelector('p').style; style.color = '';"
            "style.color = name; return getComputedStyle(document.querySelector('p')).color }",
            name,
        )
        assert (own := colour_of(name)), name
        seen = colour_of(shown)
        assert seen == pytest.approx(own, abs=0.004), name
    assert [colour_of(text) for text in ("", "nocolour", "#12", "url(x)", "rgb(1)")] == [None] * 5


COLOUR = st.sampled_from(
    ["#fff", "white", "#000", "black", "#eee", "navy", "rgb(9,9,9)", "none", "x"]
)
PICTURE = st.sampled_from(["", "url(https://x.example/y)", "linear-gradient(#000,#fff)"])
STYLE = st.builds(
    "{}:{}".format, st.sampled_from(["color", "background-color"]), COLOUR
) | st.builds("background:{} {}".format, COLOUR, PICTURE)
TAG = st.sampled_from(["div", "p", "span", "td", "b", "table"])


def opened(tag: str, styles: list[str], bgcolor: str, colour: str) -> str:
    return f'<{tag} style="{";".join(styles)}" bgcolor="{bgcolor}"><font color="{colour}">text '


HTML = st.lists(st.builds(opened, TAG, st.lists(STYLE, max_size=3), COLOUR, COLOUR), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(HTML.map("".join), max_size=8), st.booleans())
def test_no_nesting_of_colours_leaves_text_unreadable(
    browser: Page, mails: list[str], has_sheet: bool
) -> None:
    sheet = "<style>p{color:red;background:red}</style>" * has_sheet
    html = "".join(f"<div>{sanitize(sheet + mail)}</div>" for mail in mails)
    least = LEAST_AFTER_LOSS if has_sheet else INVISIBLE
    assert [each for each in judged(browser, html) if each[0] < least - 0.01] == []


def html_of(name: str) -> Iterator[str]:
    for raw in read(MAIL / f"{name}.mbox.xz"):
        message: dict[str, Any] = {"id": "m", "threadId": "t"}
        body = parse_raw({**message, "raw": base64.urlsafe_b64encode(raw).decode()}).body_html
        if body is not None:
            yield body


@pytest.mark.skipif(not MAIL.is_dir(), reason="the optional folder ../shared/mail")
@pytest.mark.parametrize(
    "name", [pytest.param("ham-2002", marks=pytest.mark.gate), "mime-cases", "non-english"]
)
def test_real_mail_stays_readable(browser: Page, name: str) -> None:
    for html in html_of(name):
        texts = judged(browser, sanitize(html))
        assert [each for each in texts if each[0] < INVISIBLE - 0.01] == []
