"""Keeps text readable whose colour or background was taken away with what sanitizing drops."""

import colorsys
import re
from html import unescape
from typing import NamedTuple

_NAMES = """
aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff aquamarine 7fffd4 azure f0ffff beige f5f5dc
bisque ffe4c4 black 000000 blanchedalmond ffebcd blue 0000ff blueviolet 8a2be2 brown a52a2a
burlywood deb887 cadetblue 5f9ea0 chartreuse 7fff00 chocolate d2691e coral ff7f50
cornflowerblue 6495ed cornsilk fff8dc crimson dc143c cyan 00ffff darkblue 00008b darkcyan 008b8b
darkgoldenrod b8860b darkgray a9a9a9 darkgreen 006400 darkgrey a9a9a9 darkkhaki bdb76b
darkmagenta 8b008b darkolivegreen 556b2f darkorange ff8c00 darkorchid 9932cc darkred 8b0000
darksalmon e9967a darkseagreen 8fbc8f darkslateblue 483d8b darkslategray 2f4f4f
darkslategrey 2f4f4f darkturquoise 00ced1 darkviolet 9400d3 deeppink ff1493 deepskyblue 00bfff
dimgray 696969 dimgrey 696969 dodgerblue 1e90ff firebrick b22222 floralwhite fffaf0
forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc ghostwhite f8f8ff gold ffd700 goldenrod daa520
gray 808080 green 008000 greenyellow adff2f grey 808080 honeydew f0fff0 hotpink ff69b4
indianred cd5c5c indigo 4b0082 ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5
lawngreen 7cfc00 lemonchiffon fffacd lightblue add8e6 lightcoral f08080 lightcyan e0ffff
lightgoldenrodyellow fafad2 lightgray d3d3d3 lightgreen 90ee90 lightgrey d3d3d3 lightpink ffb6c1
lightsalmon ffa07a lightseagreen 20b2aa lightskyblue 87cefa lightslategray 778899
lightslategrey 778899 lightsteelblue b0c4de lightyellow ffffe0 lime 00ff00 limegreen 32cd32
linen faf0e6 magenta ff00ff maroon 800000 mediumaquamarine 66cdaa mediumblue 0000cd
mediumorchid ba55d3 mediumpurple 9370db mediumseagreen 3cb371 mediumslateblue 7b68ee
mediumspringgreen 00fa9a mediumturquoise 48d1cc mediumvioletred c71585 midnightblue 191970
mintcream f5fffa mistyrose ffe4e1 moccasin ffe4b5 navajowhite ffdead navy 000080 oldlace fdf5e6
olive 808000 olivedrab 6b8e23 orange ffa500 orangered ff4500 orchid da70d6 palegoldenrod eee8aa
palegreen 98fb98 paleturquoise afeeee palevioletred db7093 papayawhip ffefd5 peachpuff ffdab9
peru cd853f pink ffc0cb plum dda0dd powderblue b0e0e6 purple 800080 rebeccapurple 663399
red ff0000 rosybrown bc8f8f royalblue 4169e1 saddlebrown 8b4513 salmon fa8072 sandybrown f4a460
seagreen 2e8b57 seashell fff5ee sienna a0522d silver c0c0c0 skyblue 87ceeb slateblue 6a5acd
slategray 708090 slategrey 708090 snow fffafa springgreen 00ff7f steelblue 4682b4 tan d2b48c
teal 008080 thistle d8bfd8 tomato ff6347 turquoise 40e0d0 violet ee82ee wheat f5deb3 white ffffff
whitesmoke f5f5f5 yellow ffff00 yellowgreen 9acd32
""".split()  # noqa: SIM905
NAMED = dict(zip(_NAMES[::2], _NAMES[1::2], strict=True))
# Longer first: a function's arguments may hold blanks.
_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([^()]*\)|[a-z]+", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)%?")
_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [\w-]+="[^"]*")*)>')
_ATTRIBUTE = re.compile(r' ([\w-]+)="([^"]*)"')
_TABLES = frozenset({"table", "tbody", "td", "tfoot", "th", "thead", "tr"})
_VOID = frozenset({"br", "col", "hr", "img", "wbr"})

# Ratios of WCAG 2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio: what nobody can read, and
# what is hard to read. The first may be meant by the sender, if nothing was taken away.
INVISIBLE = 1.3
LEAST_AFTER_LOSS = 3.0


class Colour(NamedTuple):
    """Each from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    def over(self, behind: "Colour") -> "Colour":
        mixed = (a * self.alpha + b * (1 - self.alpha) for a, b in zip(self, behind, strict=True))
        red, green, blue, _ = mixed
        return Colour(red, green, blue)

    def contrast(self, other: "Colour") -> float:
        lighter, darker = sorted((self._luminance(), other._luminance()), reverse=True)
        return (lighter + 0.05) / (darker + 0.05)

    def _luminance(self) -> float:
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in self[:3]
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class _Shown(NamedTuple):
    text: Colour
    background: Colour


def colour_of(text: str) -> Colour | None:
    """A colour of CSS; None for anything else."""
    text = text.strip().lower()
    whole = f"#{NAMED[text]}" if text in NAMED else text
    if re.fullmatch(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", whole):
        digits = whole[1:]
        digits = digits if len(digits) > 4 else "".join(2 * digit for digit in digits)
        return Colour(*(part / 255 for part in bytes.fromhex(f"{digits}ff"[:8])))
    if text == "transparent":
        return Colour(0, 0, 0, 0)
    numbers = _NUMBER.findall(text)
    if text.startswith(("rgb", "hsl")) and len(numbers) in (3, 4):
        alpha = _share(numbers[3], 1) if len(numbers) == 4 else 1.0
        if text.startswith("rgb"):
            red, green, blue = (_share(number, 255) for number in numbers[:3])
        else:
            hue = float(numbers[0].rstrip("%")) / 360 % 1
            saturation, lightness = (_share(number, 100) for number in numbers[1:3])
            red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
        return Colour(red, green, blue, alpha)
    return None


def attribute_colour(value: str) -> str | None:
    """The colour of an attribute in the words of CSS; None where only HTML's rules give one."""
    text = value.strip().lower()
    if text in NAMED or re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", text):
        return text
    return f"#{text}" if re.fullmatch(r"[0-9a-f]{6}", text) else None


def style_colour(name: str, value: str) -> str | None:
    """The value of a property of CSS, with nothing but its colour; None where there is none.

    So a browser and `readable` take it for the same.
    """
    value, important, _ = value.lower().partition("!")
    if name == "color" and value.strip() == "inherit":
        found: str | None = "inherit"
    elif name == "background" and value.strip() == "none":
        found = "transparent"
    else:
        found = next(filter(colour_of, _COLOUR.findall(value)), None)
    return f"{found}{' !important' * bool(important)}" if found else None


def readable(html: str, is_lossy: bool) -> str:
    """The sanitized `html` with other colours for text that its background swallows.

    `is_lossy` says that colours or backgrounds were taken away.
    """
    least = LEAST_AFTER_LOSS if is_lossy else INVISIBLE
    shown = [_Shown(_PAGE_TEXT, _PAGE)]

    def repaired(tag: re.Match[str]) -> str:
        closing, name, attributes = tag.groups()
        if closing:
            del shown[max(1, len(shown) - 1) :]
            return tag[0]
        around = shown[-1]
        given = dict(_ATTRIBUTE.findall(attributes))
        inside = _inside(name, given, around) if given else around
        whole = tag[0]
        if inside is not around and inside.text.contrast(inside.background) < least:
            inherited = _LINK if name == "a" else around.text
            is_enough = inherited.contrast(inside.background) >= least
            text = inherited if is_enough else _best(inside.background)
            inside = _Shown(text, inside.background)
            whole = f"<{name}{_with_colour(given, None if is_enough else text)}>"
        if name not in _VOID:
            shown.append(inside)
        return whole

    return _TAG.sub(repaired, html)


def _inside(name: str, given: dict[str, str], around: _Shown) -> _Shown:
    """What is shown within an element that has these attributes."""
    text = _LINK if name == "a" else around.text
    behind = around.background
    if name == "font" and (colour := colour_of(given.get("color", ""))):
        text = colour
    if name in _TABLES and (colour := colour_of(given.get("bgcolor", ""))):
        behind = colour.over(around.background)
    declarations = unescape(given.get("style", "")).split(";")
    for declaration in sorted(declarations, key=lambda each: "!important" in each):
        prop, _, value = declaration.partition(":")
        value = value.partition("!")[0].strip()
        match prop.strip().lower():
            case "color":
                text = around.text if value == "inherit" else colour_of(value) or text
            case "background" | "background-color" if colour := colour_of(value):
                behind = colour.over(around.background)
    inside = _Shown(text.over(behind), behind)
    return around if inside == around else inside


def _with_colour(given: dict[str, str], colour: Colour | None) -> str:
    """The attributes with this colour of text in place of another."""
    kept = [
        declaration
        for declaration in given.get("style", "").split(";")
        if declaration.partition(":")[0].strip().lower() != "color"
    ]
    if colour:
        kept.append(f"color:#{'fff' if colour == _WHITE else '000'}")
    attributes = {name: value for name, value in given.items() if name not in ("color", "style")}
    style = ";".join(filter(None, kept))
    attributes |= {"style": style} if style else {}
    return "".join(f' {name}="{value}"' for name, value in attributes.items())


def _best(background: Colour) -> Colour:
    return max(_WHITE, _BLACK, key=background.contrast)


def _share(number: str, whole: int) -> float:
    part = float(number.rstrip("%")) / (100 if number.endswith("%") else whole)
    return min(max(part, 0.0), 1.0)


_WHITE, _BLACK = Colour(1, 1, 1), Colour(0, 0, 0)
# As in templates/mail/body.html, and the browsers' own colour of links.
_PAGE, _PAGE_TEXT, _LINK = (
    _WHITE,
    Colour(0x1A / 255, 0x1E / 255, 0x24 / 255),
    Colour(0, 0, 0xEE / 255),
)
