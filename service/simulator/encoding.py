"""base64url as Gmail writes it, and opaque tokens made of it."""

import binascii
import re
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*")
_NONCE = 48  # bytes; Gmail's attachment ids are long too
_VARIANT = 4  # bytes


def padded_base64url(data: bytes) -> str:
    """As Gmail pads raw messages: clients with strict decoders work."""
    return urlsafe_b64encode(data).decode("ascii")


def base64url(data: bytes) -> str:
    """Without padding, as for everything else."""
    return padded_base64url(data).rstrip("=")


def from_base64url(encoded: str) -> bytes:
    """Decode both alphabets, with or without padding. Raises ValueError."""
    clean = encoded.encode().translate(bytes.maketrans(b"+/", b"-_"), b"\r\n").rstrip(b"=")
    if not _BASE64URL.fullmatch(clean):
        raise ValueError("not base64url")
    try:
        return urlsafe_b64decode(clean + b"=" * (-len(clean) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def encode_token(kind: str, content: str, nonce: bytes = b"") -> str:
    """An opaque token, which `decode_token` accepts only for the same kind."""
    data = nonce + content.encode()
    check = zlib.crc32(kind.encode() + b"\0" + data)
    return base64url(check.to_bytes(4, "big") + data)


def decode_token(kind: str, token: str, nonce_length: int = 0) -> str:
    """The content of a token. Raises ValueError for a foreign or damaged one."""
    data = from_base64url(token)
    if zlib.crc32(kind.encode() + b"\0" + data[4:]) != int.from_bytes(data[:4], "big"):
        raise ValueError("not a token of this kind")
    return data[4 + nonce_length :].decode()


def page_token(kind: str, position: str, variant: int = 0) -> str:
    """The token of the page at a position. All variants of a token lead to the same page."""
    return encode_token(kind, position, variant.to_bytes(_VARIANT, "big"))


def page_position(kind: str, token: str) -> str:
    """The position in a page token. Raises ValueError for a foreign or damaged one."""
    return decode_token(kind, token, _VARIANT)


def attachment_id(message_id: str, part_id: str) -> str:
    """Different at each call, as Gmail's are, and always valid for its message."""
    return encode_token(f"attachment {message_id}", part_id, secrets.token_bytes(_NONCE))


def attachment_part(message_id: str, attachment: str) -> str:
    """The part id in an attachment id; ValueError if it belongs to another message."""
    return decode_token(f"attachment {message_id}", attachment, _NONCE)
