"""Whatever settings a role, a database, a server or a variable brings, the service works."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import httpx
import psycopg
import pytest

from db.session import options
from service import migrate
from service.postgres.calls import connect
from service.simulator import Mailbox, generate
from service.worker.worker import Worker
from tests.api.conftest import bearer, serving, token
from tests.cluster import Cluster, fast_cluster
from tests.conftest import SERVICE_LOGIN, make_template
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account
from tests.worst_settings import SHORT, VARIABLES, WORST, quoted

ALL = WORST | SHORT
# These begin a session of the test that no setting reaches.
SAFE = options({name: "0" for name in SHORT if name != "idle_in_transaction_session_timeout"})
# Only the speed of a plan depends on these, or nothing of ours.
HARMLESS = {"jit_above_cost", "lc_monetary", "default_text_search_config", "backslash_quote",
            "escape_string_warning", "xmlbinary"}  # fmt: skip
DEFINITIONS = """
    select 'constraint', conname, pg_get_constraintdef(oid) from pg_constraint
      where connamespace = 'gmail_sync'::regnamespace
    union all select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
      from pg_index join pg_class on pg_class.oid = indrelid
      where relnamespace = 'gmail_sync'::regnamespace
    union all select 'view', oid::regclass::text, pg_get_viewdef(oid) from pg_class
      where relnamespace = 'gmail_sync'::regnamespace and relkind = 'v'
    union all select 'function', oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc
      where pronamespace = 'gmail_sync'::regnamespace
    union all select 'default', adrelid::regclass::text || adnum, pg_get_expr(adbin, adrelid)
      from pg_attrdef join pg_class on pg_class.oid = adrelid
      where relnamespace = 'gmail_sync'::regnamespace
    union all select 'settings', '', s::text from gmail_sync.settings s
    order by 1, 2
"""
Level = Callable[[Cluster, str], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of this module's own, whose settings it spoils."""
    with fast_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(cluster: Cluster) -> str:
    return make_template(cluster)


@contextmanager
def altered(cluster: Cluster, target: str, settings: dict[str, str]) -> Iterator[None]:
    """`target` is what ALTER changes, such as `role ann`."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True, options=SAFE) as admin:

        def alter(change: str) -> None:
            admin.execute(f"alter {target} {change}".encode())

        # Load PL/pgSQL, so that its settings are known.
        admin.execute("do $$ begin end $$")
        for name, value in settings.items():
            alter(f"set {name} = {quoted(value)}")
        admin.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            alter("reset all")
            admin.execute("select pg_reload_conf()")


def server(cluster: Cluster, _database: str) -> AbstractContextManager[None]:
    return altered(cluster, "system", ALL)


def database_(cluster: Cluster, database: str) -> AbstractContextManager[None]:
    return altered(cluster, f"database {database}", ALL)


def role(cluster: Cluster, _database: str) -> AbstractContextManager[None]:
    return altered(cluster, f"role {SERVICE_LOGIN}", ALL)


def role_in_database(cluster: Cluster, database: str) -> AbstractContextManager[None]:
    return altered(cluster, f"role {SERVICE_LOGIN} in database {database}", ALL)


@contextmanager
def variables(_cluster: Cluster, _database: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in VARIABLES.items():
            environment.setenv(name, value)
        yield


@pytest.fixture(params=[server, database_, role, role_in_database, variables])
def spoilt(request: pytest.FixtureRequest, cluster: Cluster, database: str) -> Iterator[None]:
    level: Level = request.param
    with level(cluster, database):
        yield


@pytest.fixture
def worker(spoilt: None, worker: Worker) -> Worker:
    return worker


@pytest.fixture
def client(spoilt: None, service_url: str) -> Iterator[httpx.Client]:
    headers = bearer(token(USER, "operator")) | {"Accept-Language": "en"}
    with (
        serving(service_url) as running,
        httpx.Client(base_url=running.url, headers=headers, timeout=60) as client,
    ):
        yield client


def show(url: str) -> dict[str, object]:
    with connect(url, "test") as connection:
        # Load PL/pgSQL, because its settings are checked then.
        connection.execute("do $$ begin end $$")
        rows = connection.execute(
            "select name, setting from pg_settings where name = any (%s)",
            [[*ALL, "DateStyle", "IntervalStyle", "TimeZone"]],
        )
        return {row["name"]: row["setting"] for row in rows if row["name"] not in HARMLESS}


@pytest.fixture
def unspoilt(service_url: str) -> dict[str, object]:
    return show(service_url)


def test_no_setting_reaches_a_session(
    unspoilt: dict[str, object], spoilt: None, service_url: str
) -> None:
    assert show(service_url) == unspoilt


def test_a_sync_a_click_a_search_and_a_page_go_as_ever(
    mailbox: Mailbox, account: Account, worker: Worker, client: httpx.Client
) -> None:
    mailbox.load(generate(20))
    assert client.post("/api/gmail/sync/smart").status_code == 202
    wait_until(lambda: client.get("/api/gmail/sync/status").json()["outcome"] == "succeeded")
    for path in ("/readyz", "/api/gmail/sync/health", "/api/scheduler/status", "/metrics"):
        assert client.get(path).status_code == 200, path

    messages = client.get("/api/gmail/messages").json()["messages"]
    assert len(messages) == 20
    word = messages[0]["subject"].split()[0]
    wait_until(lambda: client.get("/api/gmail/messages", params={"q": word}).json()["messages"])
    for path in ("/", "/mail", "/operator"):
        page = client.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 200, path


def definitions(url: str) -> list[object]:
    with connect(url, "test") as connection:
        # Random, for each installation.
        connection.execute("update gmail_sync.settings set audit_salt = ''")
        return list(connection.execute(DEFINITIONS.encode()))


def administrator(cluster: Cluster, database: str) -> AbstractContextManager[None]:
    return altered(cluster, f"role postgres in database {database}", ALL)


@pytest.mark.parametrize("spoil", [administrator, variables])
def test_a_migration_makes_the_same_schema(
    cluster: Cluster, database_url: str, spoil: Level
) -> None:
    cluster.create_database("migrated")
    url = cluster.url("migrated")
    try:
        with spoil(cluster, "migrated"):
            migrate.upgrade(url)
            migrate.downgrade(url, "base")
            migrate.upgrade(url)
        assert definitions(url) == definitions(database_url)
    finally:
        cluster.drop_database("migrated")


def test_the_jobs_run_in_any_session(cluster: Cluster, database_url: str) -> None:
    """As pg_cron does it: one string in a session of the administrator."""
    with connect(database_url, "test") as db:
        rows = db.execute("select command from gmail_sync._expected_cron_jobs()").fetchall()
    # Where pg_cron does not work, it has no history to prune.
    commands = [row["command"] for row in rows if "prune_cron" not in row["command"]]
    assert len(commands) == 4
    for command in commands:
        wait_until(partial(goes_through, database_url, command))


def goes_through(url: str, command: str) -> bool:
    """Its first statement turns the timeout off, if the machine lets it begin within 1 ms."""
    with psycopg.connect(url, autocommit=True, options=options(ALL)) as session:
        try:
            session.execute(command.replace("pg_sleep(10)", "pg_sleep(0.01)").encode())
        except psycopg.errors.QueryCanceled:
            return False
    return True


@pytest.mark.gate
def test_pg_cron_runs_the_jobs_on_a_spoilt_server(cluster: Cluster) -> None:
    url = cluster.url()
    migrate.upgrade(url)
    # Less than the reaper's minute. A millisecond could end before the job turns it off.
    spoilt = ALL | {"statement_timeout": "5s"}
    with altered(cluster, "system", spoilt), connect(url, "test") as db:

        def ended() -> dict[str, str]:
            rows = db.execute(
                "select jobname, status from cron.job_run_details join cron.job using (jobid)"
                " where end_time is not null"
            )
            return {row["jobname"]: row["status"] for row in rows}

        db.execute("delete from cron.job_run_details")
        wait_until(lambda: {"zombie_task_cleanup", "enqueue_due_syncs"} <= ended().keys(), 180)
        assert set(ended().values()) == {"succeeded"}, ended()
