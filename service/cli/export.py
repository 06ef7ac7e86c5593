"""gmail-sync export: a user's mail as an mbox or as .eml files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.context import open_session, record_operator_read
from service.mailbox.export import Exported, eml_name, one_message, pages, size_of
from service.postgres.calls import Session
from service.takeout.mbox import mbox_entry

Write = Callable[[Exported], None]


class Count(NamedTuple):
    """Numbers of messages; those left out have no raw copy."""

    written: int
    left_out: int


@click.command()
@click.argument("user")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The mbox file, or the folder for .eml files. Nothing is overwritten.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["mbox", "eml"]),
    default="mbox",
    show_default=True,
    help="One mboxrd file, or a file {message_id}.eml for each message.",
)
@click.option("--message", "message_id", metavar="ID", help="Export only this message.")
@click.option("--exact", is_flag=True, help="Write the bytes that Gmail delivered, without labels.")
def export(user: str, output: Path, form: str, message_id: str | None, exact: bool) -> None:
    """Write USER's mail that is stored raw into files, with labels and read state.

    They are in the headers that Google Takeout writes, X-Gmail-Labels and X-GM-THRID. A message's
    own headers of these names are left out. With --exact nothing is added or left out.

    The mbox is an mboxrd, oldest first, with CRLF line ends. To get the bytes of a message, remove
    one > from each line that begins with one or more > and `From `. Only a message without a final
    line end gains one CRLF.

    Exit status 0: everything was written; 1: some messages have no raw copy, or an error occurred.
    """
    with open_session("export") as (_, session):
        record_operator_read(session, "export", user)
        try:
            with _mbox(output) if form == "mbox" else _folder(output) as write:
                if message_id is None:
                    count = _export_all(session, user, exact, write)
                else:
                    count = _export_one(session, user, message_id, exact, write)
        except OSError as error:
            raise click.ClickException(f"{output} cannot be written: {error}") from error
    click.echo(f"{count.written:,} messages written to {output}.", err=True)
    if count.left_out:
        raise click.ClickException(
            f"{count.left_out:,} messages have no raw copy and were left out. To store them: "
            f"gmail-sync account set {user} --content-mode raw, and export again after its sync."
        )


@contextmanager
def _mbox(path: Path) -> Iterator[Write]:
    """Writes messages one after the other. An error removes the unfinished file."""
    with _new_file(path) as file:
        try:
            yield lambda message: _write(file, mbox_entry(*message))
        except BaseException:
            path.unlink()
            raise


@contextmanager
def _folder(path: Path) -> Iterator[Write]:
    """Writes one file for each message."""
    path.mkdir(parents=True, exist_ok=True)

    def write(message: Exported) -> None:
        with _new_file(path / eml_name(message.message_id)) as file:
            _write(file, message.content)

    yield write


def _new_file(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except FileExistsError as error:
        raise click.ClickException(f"{path} already exists; nothing is overwritten") from error


def _write(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def _export_all(session: Session, user: str, exact: bool, write: Write) -> Count:
    size = size_of(session, user)
    written = 0
    with _progress() as progress:
        bar = progress.add_task("messages", total=size.messages)
        for page in pages(session, user, exact):
            for message in page:
                write(message)
            written += len(page)
            progress.update(bar, completed=written, total=max(size.messages, written))
    return Count(written, size.without_raw)


def _export_one(session: Session, user: str, message_id: str, exact: bool, write: Write) -> Count:
    found = one_message(session, user, message_id, exact)
    if found is None:
        raise click.ClickException(f"user {user} has no message {message_id}")
    for message in found:
        write(message)
    return Count(len(found), 1 - len(found))


def _progress() -> Progress:
    """On stderr, and only if it is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )
