"""What a run is doing, in the person's words; static/phrases.js says the same as it goes on."""

import math
from datetime import datetime, tzinfo

from service.api.runs import RunView
from service.web.i18n import Translator

COUNTS = ("new", "updated", "deleted", "failed")


def state_of(run: RunView, now: datetime) -> str:
    """Which of the words sync.state and sync.advice it is."""
    if run.phase == "done":
        return "goes_on" if run.successor else run.outcome or "failed"
    if run.phase in ("queued", "waiting") and run.waiting_until and run.waiting_until > now:
        return "waiting_until"
    if run.phase == "queued" and run.not_before and run.not_before > now:
        return "retrying"
    return "worker_missing" if run.worker_missing else run.phase or "never"


def headline(run: RunView, language: Translator, zone: tzinfo, now: datetime) -> str:
    """The state in a sentence, such as `Fetching 1,250 of 4,150`."""
    state = state_of(run, now)
    until = (run.not_before if state == "retrying" else run.waiting_until) or now
    return language.say(
        f"sync.state.{state}",
        count=run.stats.found,
        done=run.stats.found - run.stats.pending,
        time=language.clock(until.astimezone(zone)),
    )


def advice(run: RunView, language: Translator, now: datetime) -> str:
    """What it means and what to do; nothing where there is nothing to say."""
    key = f"sync.advice.{state_of(run, now)}"
    return language.say(key) if key in language.words else ""


def follow_up(run: RunView, language: Translator) -> str:
    """What the running sync was asked for meanwhile, and will be done after it."""
    if not (run.in_progress and run.follow_up):
        return ""
    return language.say(f"sync.follow_up.{run.follow_up}")


def time_left(run: RunView, language: Translator) -> str:
    if run.eta_seconds is None:
        return ""
    return language.say("sync.left", time=duration(run.eta_seconds, language))


def duration(seconds: float, language: Translator) -> str:
    """In the largest unit that counts to two, so that it changes calmly."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return language.say(f"sync.duration.{unit}", count=_rounded(seconds / length))
    return language.say("sync.duration.seconds", count=max(1, _rounded(seconds)))


def _rounded(number: float) -> int:
    """A half up, as scripts do it, or what is told would change where nothing did."""
    return math.floor(number + 0.5)


def took(run: RunView, language: Translator) -> str:
    """How long an ended run was at work, or waited where no worker took it."""
    began = run.claimed_at or run.started_at
    if began is None or run.finished_at is None:
        return ""
    return duration((run.finished_at - began).total_seconds(), language)


def changes(run: RunView, language: Translator) -> str:
    """The counts that are not zero, in a sentence."""
    counts = {name: getattr(run.stats, name) for name in COUNTS}
    told = [
        language.say(f"sync.counted.{name}", count=count) for name, count in counts.items() if count
    ]
    return language.say("sync.comma").join(told) or language.say("sync.counted.nothing")
