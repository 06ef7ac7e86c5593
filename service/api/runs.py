"""A run as the API shows it, with a sentence that says what it is doing."""

from datetime import UTC, datetime, tzinfo
from typing import Any, Self

import msgspec

from service.api import run_text
from service.api.run_state import RunState, Stats
from service.i18n.translator import Translator, translator
from service.postgres.calls import Row

# Google takes a while to write an export.
TAKEOUT_FROM_SECONDS = 3600


class RunView(RunState, kw_only=True):
    """`success`: the request did what it asked for. `message` is in English, for scripts.
    `takeout_saves_time`: an import of a Google Takeout export would be faster.
    """

    success: bool = True
    stats: Stats = Stats()
    message: str = ""
    in_progress: bool = False
    takeout_saves_time: bool = False

    @classmethod
    def of(cls, row: Row | None, **more: Any) -> Self:
        """The run of a row of sync_run(); None for a user who has no run."""
        run = msgspec.convert({**(row or {}), **more}, cls)
        run.stats = run.current_stats
        run.in_progress = run.is_syncing
        run.takeout_saves_time = (
            run.sync_type == "full" and (run.eta_seconds or 0) > TAKEOUT_FROM_SECONDS
        )
        run.message = run_text.message(run, translator("en"), datetime.now(UTC))
        return run


class RunEvent(RunView, kw_only=True):
    """A run with its texts in the reader's language and time zone."""

    text: run_text.RunText

    @classmethod
    def for_reader(cls, row: Row | None, language: Translator, zone: tzinfo) -> Self:
        state = msgspec.convert(row or {}, RunState)
        return cls.of(row, text=run_text.describe(state, language, zone, datetime.now(UTC)))
