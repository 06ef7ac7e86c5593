"""Faults of pg_cron: the service has to reap."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.processes import kill
from tests.chaos.site import Site
from tests.chaos.trial import Scene
from tests.waiting import wait_until

HEALTH_SECONDS = 60
END_RUNNING_JOB = """
    select pg_terminate_backend(pid) from pg_stat_activity where query like 'call gmail_sync.reap%%'
"""


@contextmanager
def launcher_killed(scene: Scene) -> Iterator[None]:
    site = scene.site
    try:
        site.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where backend_type = 'pg_cron launcher'"
        )
        with _nobody_else_reaps(scene, "launcher has died"):
            yield
    finally:
        site.cluster.restart()


@contextmanager
def job_deleted(scene: Scene) -> Iterator[None]:
    try:
        scene.site.execute("select cron.unschedule('zombie_task_cleanup')")
        with _nobody_else_reaps(scene, "zombie_task_cleanup"):
            yield
    finally:
        scene.site.execute("select * from gmail_sync.schedule_jobs()")


@contextmanager
def _nobody_else_reaps(scene: Scene, reason: str) -> Iterator[None]:
    """The worker is killed, health says what is wrong with pg_cron, and the service reaps."""
    site = scene.site
    site.reaping.clear()
    try:
        site.execute(END_RUNNING_JOB)
        kill(scene.holder())
        wait_until(lambda: any(reason in each for each in _reasons(site)), HEALTH_SECONDS)
        yield
        assert {"reaper": "service"} in site.execute("select reaper from gmail_sync.reaper_beat")
    finally:
        site.reaping.set()


def _reasons(site: Site) -> list[str]:
    health = site.ask("sync_health")
    assert isinstance(health, dict)
    reasons: list[str] = health["reasons"]
    return reasons
