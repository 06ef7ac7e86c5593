"""The state of the service and its syncs, for operators, probes and Prometheus.

These routes respond quickly even if the database, the token issuer or other requests are slow.
They have connections and threads of their own, and time out after PROBE_SECONDS. With several
nodes, the facts take as long as the router waits for a node that hangs.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
import psycopg
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from db.connection import is_read_only
from service.api.auth.tokens import OPEN, Authentication
from service.api.health_facts import Health
from service.api.metrics import RequestMetrics
from service.api.operator_access import OperatorAccessLog
from service.api.problems import error_responses, problem
from service.postgres.pool import Pool

PROBE_SECONDS = 3
# Prometheus gives up after 10 s, unless it is configured otherwise.
ROUTED_SECONDS = 8
FACT_THREADS = 2
# Less, so that the pool can report why there is no connection.
POOL_SECONDS = 2
READ_ONLY = (
    "The database cannot be written: connect to the primary, or turn default_transaction_read_only"
    " off."
)
NO_RIGHTS = (
    "The database user may not call the functions of the service: grant it gmail_sync_service,"
    " whose rights it must inherit."
)


class HealthUnknown(Struct):
    """The database does not respond."""

    error: str
    timestamp: datetime
    healthy: Literal[False] = False


class Job(Struct):
    """A job of pg_cron, its last run, and its problem if it has one.

    last_message is for operators only: it may quote a statement that failed.
    """

    jobname: str
    schedule: str
    command: str
    active: bool
    last_status: str | None
    last_message: str | None
    last_started_at: datetime | None
    last_finished_at: datetime | None
    problem: str | None


class Scheduler(Struct):
    healthy: bool
    jobs: list[Job]


class Status(Struct):
    status: str


def new_pool(url: str) -> Pool:
    """For a Probe."""
    return Pool(url, "gmail-sync probes", FACT_THREADS + 1, POOL_SECONDS)


class Probe:
    """Queries the database within a few seconds. The probe opens and closes `pool`."""

    def __init__(self, pool: Pool, schema_version: str, nodes: int = 1) -> None:
        self._pool = pool
        self._facts = ThreadPoolExecutor(FACT_THREADS, "probe")
        # No node is asked whether the service is ready, so that one that hangs must not delay it.
        self._readiness = ThreadPoolExecutor(1, "readiness")
        self._schema_version = schema_version
        self._seconds = PROBE_SECONDS if nodes == 1 else ROUTED_SECONDS

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        for threads in (self._facts, self._readiness):
            threads.shutdown(wait=False, cancel_futures=True)
        self._pool.__exit__(kind, value, trace)

    async def health(self) -> Health:
        """Raises psycopg.Error."""
        return msgspec.convert(
            await self.with_timeout(lambda: self._pool.value("sync_health")), Health
        )

    async def jobs(self) -> list[Job]:
        """Raises psycopg.Error."""
        rows = await self.with_timeout(lambda: self._pool.rows("scheduler_status"))
        return msgspec.convert(rows, list[Job])

    async def not_ready_reason(self) -> str | None:
        """Why requests cannot be served; None if they can."""
        try:
            version = await _within(
                PROBE_SECONDS, self._readiness, lambda: self._pool.value("schema_version")
            )
        except psycopg.errors.InsufficientPrivilege:
            return NO_RIGHTS
        except psycopg.ProgrammingError:  # no such function or schema
            version = None
        except psycopg.Error as error:
            if is_read_only(error):
                return READ_ONLY
            return "The database does not respond."
        # An upgrade migrates the schema first, which also serves the previous program.
        if version is not None and version >= self._schema_version:
            return None
        return (
            f"The schema is {version or 'missing'}, this program needs {self._schema_version}: "
            "run alembic upgrade head."
        )

    async def with_timeout(self, ask: Callable[[], Any]) -> Any:
        """What `ask` returns. Raises psycopg.Error."""
        return await _within(self._seconds, self._facts, ask)


async def _within(seconds: float, threads: ThreadPoolExecutor, ask: Callable[[], Any]) -> Any:
    asked = asyncio.get_running_loop().run_in_executor(threads, ask)
    try:
        return await asyncio.wait_for(asked, seconds)
    except TimeoutError as error:
        raise psycopg.OperationalError(f"no answer within {seconds} s") from error


@get(
    "/api/gmail/sync/health",
    opt=OPEN,
    security=[{}],
    responses=error_responses()
    | {
        503: ResponseSpec(
            HealthUnknown, generate_examples=False, description="The database does not respond"
        )
    },
)
async def sync_health(
    request: Request[Any, Any, Any],
    probe: NamedDependency[Probe],
    authentication: NamedDependency[Authentication],
    access_log: NamedDependency[OperatorAccessLog],
) -> Response[Health]:
    """Whether syncs are healthy, and the reasons if not; 200 in both cases."""
    try:
        operator, health = await asyncio.gather(_operator(request, authentication), probe.health())
        if operator and health.zombie_task_details:
            await probe.with_timeout(lambda: access_log.record(operator, "sync_health"))
    except psycopg.Error:
        unknown = HealthUnknown(
            "The database does not respond; /readyz says why.", datetime.now(UTC)
        )
        return Response(unknown, status_code=503)  # type: ignore[arg-type]  # as documented
    if operator is None:
        for zombie in health.zombie_task_details:
            zombie.task_id = zombie.user_id = None
    return Response(health)


@get(
    "/api/scheduler/status",
    opt=OPEN,
    security=[{}],
    responses=error_responses(503),
)
async def scheduler_status(
    request: Request[Any, Any, Any],
    probe: NamedDependency[Probe],
    authentication: NamedDependency[Authentication],
) -> Scheduler:
    """The jobs of pg_cron with their last runs."""
    operator, jobs = await asyncio.gather(_operator(request, authentication), probe.jobs())
    if operator is None:
        for job in jobs:
            job.last_message = None
    return Scheduler(all(job.problem is None for job in jobs), jobs)


@get("/livez", opt=OPEN, security=[{}], responses=error_responses())
async def livez() -> Status:
    """The process runs and its event loop responds."""
    return Status("alive")


@get("/readyz", opt=OPEN, security=[{}], responses=error_responses(503))
async def readyz(probe: NamedDependency[Probe]) -> Status:
    """Requests can be served: the database responds, and its schema is new enough."""
    if not_ready_reason := await probe.not_ready_reason():
        raise problem(503, "not_ready", not_ready_reason)
    return Status("ready")


@get("/metrics", opt=OPEN, security=[{}], media_type="text/plain", responses=error_responses())
async def metrics(
    probe: NamedDependency[Probe], request_metrics: NamedDependency[RequestMetrics]
) -> Response[bytes]:
    """For Prometheus: requests of this process, and the syncs of all of them."""
    try:
        health = await probe.health()
    except psycopg.Error:
        health = None
    text = request_metrics.text(health)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _operator(request: Request[Any, Any, Any], authentication: Authentication) -> str | None:
    """The user id, if the request is an operator's."""
    identity = await authentication.identity(request)
    return identity.user_id if identity and identity.is_operator else None


ROUTES = [sync_health, scheduler_status, livez, readyz, metrics]
