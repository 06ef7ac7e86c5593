"""Each alert of docker/prometheus is fired by its fault, in a real Prometheus."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from service.postgres.calls import connect
from tests.conventions.markdown import ROOT, anchors
from tests.functions.conftest import insert_run, queued, set_settings, shift
from tests.monitoring.conftest import (
    DOCKER,
    JOB,
    RULES,
    WITHOUT_DATABASE,
    Monitored,
    needs_prometheus,
)
from tests.waiting import wait_until

ALERTS = {rule["alert"]: rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
HANDBOOK = ROOT / "service/handbook/monitoring.md"


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    promtool("check", "rules", str(RULES))
    promtool("check", "config", str(DOCKER / "prometheus/prometheus.yml"))


@needs_prometheus
def test_promtool_finds_the_alerts_that_samples_raise() -> None:
    promtool("test", "rules", str(Path(__file__).with_name("alerts_test.yml")))


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_names_a_section_of_the_handbook(alert: str) -> None:
    page, _, anchor = ALERTS[alert]["annotations"]["runbook_url"].partition("#")
    assert anchor in anchors((ROOT / page).read_text())
    assert f"| `{alert}` |" in HANDBOOK.read_text()


@pytest.fixture(scope="module")
def sessions(monitored: Monitored) -> Iterator[Callable[[str], None]]:
    """Sessions that never end: each leaves a transaction open after a statement."""
    with ExitStack() as ends:

        def leave_open(statement: str) -> None:
            session = ends.enter_context(connect(monitored.database_url, "forgotten"))
            session.autocommit = False
            session.execute(statement.encode())

        yield leave_open


Site = Monitored
Sessions = Callable[[str], None]


def lose_a_rule(site: Site, _: Sessions) -> None:
    site.db.execute("alter table gmail_sync.user_sync_status drop constraint tries_count_from_one")


def stop_the_worker(site: Site, _: Sessions) -> None:
    site.worker.stop()


def lose_a_worker(site: Site, _: Sessions) -> None:
    insert_run(site.db, task_id="lost", user_id="zoe")
    shift(site.db, "lost", "-5 min", "updated_at")


def leave_a_run_waiting(site: Site, _: Sessions) -> None:
    shift(site.db, queued(site.functions, "bo"), "-11 min", "started_at", "not_before")


def stop_pg_cron(site: Site, _: Sessions) -> None:
    site.db.execute("select gmail_sync._choose_scheduler('pg_cron')")
    site.db.execute("update gmail_sync.reaper_beat set beat_at = now() - interval '3 min'")


def refuse_the_account(site: Site, _: Sessions) -> None:
    account = site.functions.row("get_account_credentials", "ann")
    assert account is not None
    refusal = (account["credentials"], "session_ended", "access was withdrawn")
    assert site.functions.value("mark_credentials_rejected", "ann", *refusal)


def let_a_watch_run_out(site: Site, _: Sessions) -> None:
    site.functions.value("connect_account", "cy", "cy@mail.example", b"sealed", "unlimited")
    site.db.execute(
        "update gmail_sync.account set watched_at = now() - interval '6.5 days',"
        " watch_expires_at = now() + interval '12 hours' where user_id = 'cy'"
    )


def spend_the_day(site: Site, _: Sessions) -> None:
    site.db.execute(
        "insert into gmail_sync.quota_day (profile, day, units)"
        " select name, gmail_sync._quota_day(clock_timestamp()), 0.81 * day_units"
        " from gmail_sync.quota_profile where day_units is not null"
        " on conflict (profile, day) do update set units = excluded.units"
    )


def give_a_message_up(site: Site, _: Sessions) -> None:
    site.db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " values ('bo', 'm', 'listed', true)"
    )


def leave_a_webhook_event_waiting(site: Site, _: Sessions) -> None:
    webhook = site.functions.row("add_webhook", "ann", "https://app.example/hooks")
    assert webhook is not None
    assert site.functions.value("test_webhook", "ann", webhook["id"])
    site.db.execute(
        "update gmail_sync.webhook_stream set waiting_since = now() - interval '16 min'"
    )


def refuse_a_webhook_event(site: Site, _: Sessions) -> None:
    delivery = site.functions.row("claim_webhook_deliveries", 1)
    assert delivery is not None
    refusal = (delivery["lease"], 500, "it answered 500", "0.1 s")
    assert site.functions.value("record_webhook_delivery", delivery["webhook_id"], *refusal)


def hold_back_vacuum(site: Site, sessions: Sessions) -> None:
    set_settings(site.db, longest_transaction="1 s")
    sessions("select pg_current_xact_id()")


def never_read_notifications(site: Site, sessions: Sessions) -> None:
    listener = "listen gmail_sync_test; commit; begin; select 1"
    sessions(listener)
    site.db.execute(
        "select count(pg_notify('gmail_sync_test', n || repeat('x', 7900)))"
        " from generate_series(1, 3000) n"
    )


def stop_the_service(site: Site, _: Sessions) -> None:
    site.running.stop()


def nothing(_site: Site, _: Sessions) -> None:
    """It is so from the beginning."""


# In this order: a worker would end the faults of runs.
FAULTS: dict[str, tuple[Callable[[Site, Sessions], None], str]] = {
    "GmailSyncDatabaseDown": (nothing, WITHOUT_DATABASE),
    "GmailSyncUnhealthy": (lose_a_rule, JOB),
    "GmailSyncNoWorker": (stop_the_worker, JOB),
    "GmailSyncZombies": (lose_a_worker, JOB),
    "GmailSyncQueueOld": (leave_a_run_waiting, JOB),
    "GmailSyncSchedulerSilent": (stop_pg_cron, JOB),
    "GmailSyncAccountsToReconnect": (refuse_the_account, JOB),
    "GmailSyncWatchesEnd": (let_a_watch_run_out, JOB),
    "GmailSyncDayQuota": (spend_the_day, JOB),
    "GmailSyncDeadLetters": (give_a_message_up, JOB),
    "GmailSyncWebhooksLate": (leave_a_webhook_event_waiting, JOB),
    "GmailSyncWebhooksFail": (refuse_a_webhook_event, JOB),
    "GmailSyncVacuum": (hold_back_vacuum, JOB),
    "GmailSyncNotifyQueue": (never_read_notifications, JOB),
    "GmailSyncDown": (stop_the_service, JOB),
}


def test_each_alert_has_a_fault() -> None:
    assert FAULTS.keys() == ALERTS.keys()


@needs_prometheus
@pytest.mark.gate
@pytest.mark.parametrize("alert", FAULTS)
def test_a_fault_fires_its_alert_and_the_faults_before_it_do_not(
    alert: str, monitored: Monitored, sessions: Sessions
) -> None:
    cause, job = FAULTS[alert]
    assert alert not in monitored.firing()
    cause(monitored, sessions)
    wait_until(lambda: alert in monitored.firing(job))
