"""Address lists (RFC 5322 section 3.4): decoded so that no name can forge or split an address."""

import re
from collections.abc import Callable

from service.mime.text import ENCODED_WORD

# The fields of a mail that hold addresses.
ADDRESS_FIELDS = frozenset({"from", "sender", "reply-to", "to", "cc", "bcc"})

_WORDS = rf"{ENCODED_WORD}(?:\s+{ENCODED_WORD})*"
_TOKEN = re.compile(
    rf"""(?P<words>{_WORDS})|"(?P<quoted>(?:\\.|[^"\\])*)"|\\.|[^"()=\\]+|.""", re.DOTALL
)
# Quotes mean nothing here.
_TOKEN_OF_COMMENT = re.compile(rf"(?P<words>{_WORDS})|\\.|[^()=\\]+|.", re.DOTALL)
_SPECIALS = re.compile(r"""[()<>\[\]:;@\\,."]""")


def decode_safely(value: str, decode: Callable[[str], str]) -> str:
    """An address header with its encoded words decoded, so that it is still read as the same list.

    What an encoded word holds is text: no comma or bracket in it may separate addresses or forge
    one. So it is put into quotes.
    """
    depth, position, pieces = 0, 0, []
    while token := (_TOKEN_OF_COMMENT if depth else _TOKEN).match(value, position):
        position = token.end()
        if (words := token["words"]) is not None:
            text = decode(words)
            pieces.append(_escaped(text, "()") if depth else _quoted(text))
        elif not depth and (quoted := token["quoted"]) is not None:
            pieces.append(f'"{_decoded_within_quotes(quoted, decode)}"')
        else:
            depth = max(0, depth + {"(": 1, ")": -1}.get(token[0], 0))
            pieces.append(token[0])
    return "".join(pieces)


def _decoded_within_quotes(quoted: str, decode: Callable[[str], str]) -> str:
    """RFC 2047 forbids encoded words here, and many mailers write them nevertheless."""
    pieces = re.split(f"({_WORDS})", quoted)
    pieces[1::2] = [_escaped(decode(words), '"') for words in pieces[1::2]]
    return "".join(pieces)


def _quoted(text: str) -> str:
    return f'"{_escaped(text, chr(34))}"' if _SPECIALS.search(text) else text


def _escaped(text: str, characters: str) -> str:
    return re.sub(rf"([\\{characters}])", r"\\\1", text)
