"""A real Prometheus that scrapes a real service, with a worker and an account that has synced."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import yaml

from service import logs
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.simulator import Simulator
from service.simulator.generate import generate
from service.worker.worker import Worker
from tests.api.conftest import EMAIL, KEY, PATIENCE_SECONDS, Running, serving
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD
from tests.ports import free_port
from tests.waiting import wait_until

DOCKER = Path(__file__).parents[2] / "docker"
RULES = DOCKER / "prometheus/alerts.yml"
PROMETHEUS = shutil.which("prometheus")
JOB = "gmail-sync"
# A service that has no database, by its job.
WITHOUT_DATABASE = "without-database"
DEAD_URL = "postgresql://nobody@127.0.0.1:1/nothing"
# A queue of 8 GB cannot be filled for a test. All other thresholds stay.
NOTIFY_QUEUE = "gmail_sync_notify_queue_percent) > "

needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None,
    reason="Prometheus is not installed: docker/install-postgres.sh --with-prometheus",
)


@dataclass(frozen=True)
class Monitored:
    """A service and its Prometheus."""

    running: Running
    worker: Worker
    functions: Session
    db: Connection
    # As the superuser.
    database_url: str
    prometheus: str

    def firing(self, job: str = JOB) -> set[str]:
        """The alerts that fire."""
        alerts = self._ask("alerts")["alerts"]
        return {
            alert["labels"]["alertname"]
            for alert in alerts
            if (alert["state"], alert["labels"]["job"]) == ("firing", job)
        }

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, with their values of now."""
        result: list[dict[str, Any]] = self._ask("query", query=expression)["result"]
        return result

    def _ask(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(
            f"{self.prometheus}/api/v1/{path}", params=parameters, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def write_configuration(folder: Path, targets: dict[str, str]) -> None:
    """The rules of docker/, of which none waits, and jobs that are scraped each second."""
    rules = re.sub(r"for: \w+", "for: 0s", RULES.read_text())
    rules = rules.replace(f"{NOTIFY_QUEUE}25", f"{NOTIFY_QUEUE}0.1")
    (folder / "alerts.yml").write_text(rules)
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [target]}]}
        for job, target in targets.items()
    ]
    # A service without its database needs its time to say so.
    jobs[-1] |= {"scrape_interval": "5s", "scrape_timeout": "5s"}
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))


@contextmanager
def prometheus(targets: dict[str, str]) -> Iterator[str]:
    """The URL of a Prometheus that scrapes these addresses, each as its job."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_configuration(folder, targets)
        url = f"127.0.0.1:{free_port()}"
        command = [str(PROMETHEUS), f"--config.file={folder}/prometheus.yml"]
        command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address={url}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or is_ready(url))
            assert process.poll() is None, (folder / "log").read_text()
            yield f"http://{url}"
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready", timeout=PATIENCE_SECONDS).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def monitored(
    cluster: Cluster, shared_database: str, shared_db: Connection, shared_functions: Session
) -> Iterator[Monitored]:
    """All is well. The workers schedule, because pg_cron works in another database."""
    url = cluster.url(shared_database, SERVICE_LOGIN, SERVICE_PASSWORD)
    shared_db.execute("select gmail_sync.schedule_jobs('service')")
    cipher = CredentialCipher([KEY])
    sealed = cipher.encrypt({"token": "access"})
    shared_functions.value("connect_account", "ann", EMAIL, sealed, "google-standard")
    with Simulator() as simulator:
        simulator.add_mailbox(EMAIL, "access", "refresh", generate(10))
        google = Google(GmailApi(simulator.url), f"{simulator.url}/token", "id", "secret", cipher)
        worker = Worker(url, google, 2, logs.configure("warning"))
        with serving(url, worker, google) as running, serving(DEAD_URL) as without_database:
            task_id = shared_functions.value("start_sync_idempotent", "ann")
            wait_until(
                lambda: not (shared_functions.row("sync_run", task_id) or {})["is_syncing"],
                PATIENCE_SECONDS,
            )
            targets = {JOB: running.url, WITHOUT_DATABASE: without_database.url}
            with prometheus({job: url[7:] for job, url in targets.items()}) as prometheus_url:
                monitored = Monitored(
                    running,
                    worker,
                    shared_functions,
                    shared_db,
                    cluster.url(shared_database),
                    prometheus_url,
                )
                wait_until(lambda: monitored.query(f'gmail_sync_healthy{{job="{JOB}"}} == 1'))
                yield monitored
