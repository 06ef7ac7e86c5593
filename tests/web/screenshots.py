"""The pictures of the page that README.md shows: `python -m tests.web.screenshots` renews them.

A simulated mailbox is synced by a real worker; what the pictures show is how it then stands.
"""

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright
from psycopg import sql

from service import logs, migrate
from service.api.auth.tokens import COOKIE
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Connection, Session, connect
from service.simulator import Mailbox, Simulator
from service.simulator.faults import Fault
from service.simulator.generate import generate
from service.simulator.mail import Mail
from service.worker.worker import Worker
from tests.api.conftest import KEY, serving, token
from tests.cluster import Cluster, fast_cluster
from tests.functions.conftest import insert_run, only
from tests.waiting import wait_until
from tests.web.conftest import CHROMIUM

FOLDER = Path(__file__).parents[2] / "service" / "web" / "screenshots"
USER, EMAIL = "alice", "alice@mail.example"
BEFORE, LATER = 420, 900
DAY = 86_400_000
JUST_REAPED = (
    "select beat_at > now() - interval '1 s' from gmail_sync.reaper_beat where reaper = 'pg_cron'"
)
LETTER = """\
Subject: Garden update
From: Carol Clarke <carol@mail.example>
To: Alice Archer <alice@mail.example>
Content-Type: text/html; charset=utf-8

<table width="100%" bgcolor="#eef4ea" cellpadding="24"><tr><td align="center">
<table width="560" bgcolor="#ffffff" cellpadding="24" style="border-radius:8px"><tr><td>
<h1 style="color:#2d5d34;margin:0 0 12px">The first tomatoes are here</h1>
<img src="https://garden.example/tomatoes.jpg" alt="A bowl of tomatoes" width="512" height="40">
<p>From here on the plan is simple: measure, cut, measure again.</p>
<p>Could you have a look at the numbers before we meet? The train leaves at nine, so let us say
half past eight at the station.</p>
<p><a href="https://garden.example/plan" style="color:#2d5d34">The plan for the garden</a></p>
</td></tr></table></td></tr></table>
"""


@dataclass(frozen=True)
class Stage:
    """The service as it runs, and a browser before it."""

    url: str
    simulator: Simulator
    mailbox: Mailbox
    functions: Session
    db: Connection
    browser: Browser

    def sync(self, source: str = "api") -> None:
        task_id = self.functions.value("start_sync_idempotent", USER, False, source)
        wait_until(lambda: (self.functions.row("sync_run", task_id) or {})["outcome"])

    def page(self, width: int, height: int, scheme: str = "light", locale: str = "en-GB") -> Page:
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]
            locale=locale,
            timezone_id="Europe/Berlin",
        )
        context.add_cookies([{"name": COOKIE, "value": token(USER, "operator"), "url": self.url}])
        return context.new_page()


def shots(stage: Stage) -> None:
    some_history(stage)
    letter = stage.mailbox.insert(LETTER.encode(), ["INBOX", "STARRED"])
    stage.sync("push")
    take(stage.page(1280, 760), f"/mail/messages/{letter}", "message")
    take(stage.page(1280, 680), "/mail?q=lunch+OR+meeting+OR+Rechnung", "mail")
    stage.mailbox.load(recent(LATER, seed=2, days=30))
    stage.mailbox.expire_history()
    slow = stage.simulator.faults.add(Fault("batch", "latency", seconds=0.4))
    stage.functions.value("start_sync_idempotent", USER, True, "api")
    wide, phone = stage.page(1280, 840), stage.page(375, 720, "dark")
    wide.goto("/")
    phone.goto("/")
    wide.wait_for_function("() => document.getElementById('bar').value >= 40", timeout=120_000)
    snap(wide, "sync")
    snap(phone, "phone")
    some_trouble(stage)
    take(stage.page(1280, 1160), "/operator", "operator")
    stage.simulator.faults.remove(slow.number)


def take(page: Page, address: str, name: str) -> None:
    page.goto(address, wait_until="networkidle")
    snap(page, name)


def snap(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png")


def recent(count: int, seed: int, days: int) -> Iterator[Mail]:
    """Generated mail that came in the last so many days, less of it at weekends."""
    dice, now = random.Random(seed), int(time.time() * 1000)
    for mail in generate(count, seed):
        mail.internal_date = now - int(dice.random() * days * DAY)
        if time.gmtime(mail.internal_date / 1000).tm_wday > 4 and dice.random() < 0.7:
            mail.internal_date -= 2 * DAY
        yield mail


def some_history(stage: Stage) -> None:
    """A first sync and others after it, some days apart."""
    stage.sync()
    ids = stage.mailbox.message_ids()
    for message_id in ids[:3]:
        stage.mailbox.modify(message_id, remove=["UNREAD"])
    stage.mailbox.delete(ids[9])
    stage.sync("schedule")
    for mail in recent(12, seed=3, days=1):
        stage.mailbox.insert(mail.raw(), ["INBOX", "UNREAD"], internal_date=mail.internal_date)
    stage.sync("push")
    stage.functions.value("cancel_sync", stage.functions.value("start_sync_idempotent", USER))


def some_trouble(stage: Stage) -> None:
    """Others' runs of the last day, a zombie among those at work, and what was given up."""
    dice = random.Random(5)
    for number in range(160):
        outcome = dice.choices(["succeeded", "superseded", "failed", "reaped"], [40, 2, 3, 1])[0]
        ago, length = dice.random() * 23.5 * 3600, dice.expovariate(1 / 60)
        messages = int(dice.expovariate(1 / 400)) if outcome == "succeeded" else 0
        stage.db.execute(
            "insert into gmail_sync.user_sync_status (task_id, user_id, is_syncing, outcome, phase,"
            " progress_percentage, error_message, found, new, started_at, not_before, claimed_at,"
            " updated_at, finished_at) select %s, %s, false, %s, 'done', %s, %s, %s, %s,"
            " at - %s * interval '1 s', at - %s * interval '1 s', at, at + %s * interval '1 s',"
            " at + %s * interval '1 s' from (select now() - %s * interval '1 s' as at) t",
            [
                f"t{number}", f"user-{number % 40}", outcome, 100 if outcome == "succeeded" else 0,
                "Gmail did not answer" if outcome == "failed" else None, messages, messages,
                *[dice.expovariate(1 / 3)] * 2, *[length] * 2, ago,
            ],
        )  # fmt: skip
    # The reaper has just been, so that it does not mend this before it is seen.
    wait_until(lambda: only(stage.db, JUST_REAPED))
    insert_run(stage.db, task_id="sync_bob_1c40e1d2_1795282857", user_id="bob", phase="fetching")
    stage.db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '70 s', found = 4150,"
        " new = 1250, pending = 2900, progress_percentage = 30 where user_id = 'bob'"
    )
    stage.db.execute(
        "insert into gmail_sync.fetch_queue"
        " (user_id, message_id, reason, dead, error_code, error_message)"
        " values ('carol', '18f3a0c4d2e1b705', 'listed', true, 'too_large', 'larger than 50 MB')"
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as down:
        cluster = down.enter_context(fast_cluster())
        migrate.upgrade(cluster.url())
        db = down.enter_context(connect(cluster.url(), "screenshots"))
        simulator = down.enter_context(Simulator())
        mailbox = simulator.add_mailbox(EMAIL, "access", "", recent(BEFORE, seed=1, days=30))
        url, cipher = login(cluster), CredentialCipher([KEY])
        google = Google(GmailApi(simulator.url), f"{simulator.url}/token", None, None, cipher)
        functions = Session(url, "screenshots")
        down.callback(functions.close)
        sealed = cipher.encrypt({"token": "access"})
        functions.value("connect_account", USER, EMAIL, sealed, "unlimited")
        worker = Worker(url, google, 4, logs.configure("warning"))
        running = down.enter_context(serving(url, worker, google))
        playwright = down.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        down.callback(browser.close)
        shots(Stage(running.url, simulator, mailbox, functions, db, browser))


def login(cluster: Cluster) -> str:
    """The service's own database user."""
    password = secrets.token_urlsafe()
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role screenshots login password {} in role gmail_sync_service").format(
                sql.Literal(password)
            )
        )
    return cluster.url(user="screenshots", password=password)


if __name__ == "__main__":
    main()
