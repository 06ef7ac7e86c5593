"""A mail as it is stored. Postgres `text` and `jsonb` accept every text in it."""

from collections.abc import Sequence

import msgspec


class Header(msgspec.Struct, frozen=True):
    """One header field, decoded."""

    name: str
    value: str


class Attachment(msgspec.Struct, frozen=True):
    """A part that is not the text of the mail. Its attachmentId is not kept: those expire."""

    part_id: str
    filename: str
    mime_type: str
    size: int  # bytes, decoded
    content_id: str | None
    inline: bool  # shown within the text


class RefreshedMessage(msgspec.Struct, frozen=True):
    """The fields of a stored message that can change, as refresh_messages takes them."""

    message_id: str
    history_id: str
    label_ids: list[str]


class StoredMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """internal_date is in milliseconds since 1970, size_estimate in bytes, and snippet is
    HTML-escaped, all as Gmail gives them. sent_at is the Date header in ISO 8601, UTC. body_text is
    made of the HTML where no text was sent; html_text is what else a person sees of the HTML.
    defects say in words what could not be kept as sent."""

    message_id: str
    thread_id: str
    history_id: str
    internal_date: int
    label_ids: list[str]
    snippet: str
    size_estimate: int
    headers: list[Header]
    subject: str | None
    sender: str | None
    recipients: str | None
    cc: str | None
    bcc: str | None
    reply_to: str | None
    sent_at: str | None
    rfc822_message_id: str | None
    in_reply_to: str | None
    references: str | None
    body_text: str | None
    body_html: str | None
    html_text: str | None
    attachments: list[Attachment]
    defects: list[str]
    raw: bytes | None = None

    def is_bare(self) -> bool:
        """Whether only Gmail's own facts about the message could be read."""
        return not self.headers and self.body_text is None and self.body_html is None


def to_json(messages: Sequence[StoredMessage]) -> bytes:
    """The messages for a jsonb argument. `raw` is left out, since it is an argument of its own."""
    return msgspec.json.encode([msgspec.structs.replace(each, raw=None) for each in messages])
