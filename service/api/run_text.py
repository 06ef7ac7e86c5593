"""What a run is doing, in words: the one place for pages, the API and scripts."""

from datetime import UTC, datetime, tzinfo

from msgspec import Struct

from service.api.run_state import RunState
from service.i18n.translator import Translator

# Of a shorter time nobody asks why it takes so long.
QUOTA_FROM_SECONDS = 60
COUNTS = ("new", "imported", "updated", "deleted", "failed")


class RunText(Struct, frozen=True):
    """`state` is the key of the headline. It changes when something new has to be announced.

    Texts that have nothing to say are empty. At `valid_until` the headline becomes false.
    """

    state: str
    headline: str
    advice: str
    reason: str
    follow_up: str
    time_left: str
    valid_until: datetime | None


def describe(run: RunState, language: Translator, zone: tzinfo, now: datetime) -> RunText:
    """All texts about a run at this time."""
    state = _state(run, now)
    return RunText(
        state=state,
        headline=_headline(run, state, language, zone),
        advice=_advice(state, language),
        reason=reason(run, language),
        follow_up=_follow_up(run, language),
        time_left=time_left(run, language),
        valid_until=_next_time(run, state),
    )


def message(run: RunState, language: Translator, now: datetime) -> str:
    """The headline, and for an ended run what it did or why it failed. Times are in UTC."""
    state = _state(run, now)
    headline = _headline(run, state, language, UTC)
    if state == "succeeded":
        return f"{headline}: {changes(run, language)}"
    return f"{headline}: {run.error_message}" if state == "failed" else headline


def reason(run: RunState, language: Translator) -> str:
    """Why a run ended; in English where only the stored text says it."""
    if run.error_code:
        return language.translate(f"sync.reason.{run.error_code}")
    return run.error_message or ""


def changes(run: RunState, language: Translator) -> str:
    """The counts that are not zero, in a sentence."""
    counts = {name: getattr(run.current_stats, name) for name in COUNTS}
    parts = [
        language.translate(f"sync.counted.{name}", count=count)
        for name, count in counts.items()
        if count
    ]
    return language.translate("sync.comma").join(parts) or language.translate(
        "sync.counted.nothing"
    )


def took(run: RunState, language: Translator) -> str:
    """How long an ended run worked, or how long it waited if no worker claimed it."""
    began = run.claimed_at or run.started_at
    if began is None or run.finished_at is None:
        return ""
    return duration((run.finished_at - began).total_seconds(), language)


def time_left(run: RunState, language: Translator) -> str:
    """What Google allows, if that is what makes it long, and how long it takes."""
    if run.eta_seconds is None:
        return ""
    left = language.translate("sync.left", time=duration(run.eta_seconds, language))
    waits_for_day = run.waits_for == "day_quota"
    if run.messages_a_minute is None or run.eta_seconds < QUOTA_FROM_SECONDS or waits_for_day:
        return left
    allowed = language.translate("sync.allowed", count=run.messages_a_minute)
    return language.translate("sync.allowed_and_left", allowed=allowed, left=left)


def duration(seconds: float, language: Translator) -> str:
    """In the largest unit of which there are at least two, so that it changes slowly."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return language.translate(f"sync.duration.{unit}", count=round(seconds / length))
    return language.translate("sync.duration.seconds", count=max(1, round(seconds)))


def _state(run: RunState, now: datetime) -> str:
    """A key of sync.state, and of sync.advice where there is advice."""
    if run.phase == "done":
        return "continued" if run.successor else run.outcome or "failed"
    if run.phase in ("queued", "waiting") and run.waiting_until and run.waiting_until > now:
        return "waiting_for_day" if run.waits_for == "day_quota" else "waiting_until"
    if run.phase == "queued" and run.not_before and run.not_before > now:
        return "retrying"
    return "worker_missing" if run.worker_missing else run.phase or "never"


def _next_time(run: RunState, state: str) -> datetime | None:
    """The time that the headline names."""
    if state in ("waiting_until", "waiting_for_day"):
        return run.waiting_until
    return run.not_before if state == "retrying" else None


def _headline(run: RunState, state: str, language: Translator, zone: tzinfo) -> str:
    """The state in a sentence, such as `Fetching 1,250 of 4,150`."""
    time = _next_time(run, state)
    return language.translate(
        f"sync.state.{state}",
        count=run.current_stats.found,
        done=run.current_stats.found - run.current_stats.pending,
        time=language.clock(time.astimezone(zone)) if time else "",
        day=language.day(time.astimezone(zone)) if time else "",
    )


def _advice(state: str, language: Translator) -> str:
    key = f"sync.advice.{state}"
    return language.translate(key) if key in language.messages else ""


def _follow_up(run: RunState, language: Translator) -> str:
    """The sync that was requested meanwhile and starts after this one."""
    if not (run.is_syncing and run.follow_up):
        return ""
    return language.translate(f"sync.follow_up.{run.follow_up}")
