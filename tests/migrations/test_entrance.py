"""The ways into a migration: several at once, servers and URLs set up by others."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

from service import migrate
from service.demo.cluster import Cluster
from tests.migrations.commands import ALEMBIC, ROOT, alembic, ask, run

PASSWORD = "s3cr3t-pa"


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed printed, without line ends: Alembic wraps its words."""
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return " ".join((result.stdout + result.stderr).split())


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def gmail_sync(url: str) -> subprocess.CompletedProcess[str]:
    return run([str(ALEMBIC.with_name("gmail-sync")), "migrate"], url)


def test_several_at_once_wait_for_one_another(empty_url: str) -> None:
    command = [str(ALEMBIC), "upgrade", "head"]
    started = [
        subprocess.Popen(command, cwd=ROOT, env={"DATABASE_URL": empty_url}) for _ in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]


def test_databases_of_one_cluster_are_migrated_at_once(server: Cluster, empty_url: str) -> None:
    server.create_database("beside")
    urls = [empty_url, server.url("beside")]
    command = [str(ALEMBIC), "upgrade", "head"]
    started = [subprocess.Popen(command, cwd=ROOT, env={"DATABASE_URL": url}) for url in urls]
    try:
        assert [process.wait(60) for process in started] == [0, 0]
    finally:
        server.drop_database("beside")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_in_one_sentence(
    server: Cluster, encoding: str
) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(
            f"create database odd encoding '{encoding}' locale 'C' template template0".encode()
        )
    try:
        for result in (
            run([str(ALEMBIC), "upgrade", "head"], server.url("odd")),
            gmail_sync(server.url("odd")),
        ):
            line = complaint(result)
            assert f"encoding is {encoding}" in line
            assert "encoding 'UTF8'" in line
    finally:
        server.drop_database("odd")


def test_a_server_without_icu_is_refused_in_one_sentence(server: Cluster) -> None:
    server.create_database("without_icu")
    try:
        with psycopg.connect(server.url("without_icu"), autocommit=True) as connection:
            connection.execute('alter collation pg_catalog."und-x-icu" rename to gone')
        assert "no ICU collations" in complaint(gmail_sync(server.url("without_icu")))
    finally:
        server.drop_database("without_icu")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{PASSWORD}@{PASSWORD}@127.0.0.1/app",
        f"postgresql://ann:{PASSWORD}/x@127.0.0.1/app",
        f"postgresql://ann:{PASSWORD}%zz@127.0.0.1/app",
        f"postgresql://ann:{PASSWORD}@127.0.0.1:port/app",
        f"postgresql://ann:{PASSWORD}@127.0.0.1:1/app",
        f"postgresql://ann:{PASSWORD}@127.0.0.1/app?no_such_option=1",
        f"host=127.0.0.1 port=1 user=ann password={PASSWORD}",
        f"mysql://ann:{PASSWORD}@127.0.0.1/app",
        f"{PASSWORD}",
        "service=no_such_service",
    ],
)
def test_a_url_that_does_not_work_is_one_sentence_without_its_password(url: str) -> None:
    by_alembic = run([str(ALEMBIC), "upgrade", "head"], url)
    by_us = gmail_sync(url)
    assert PASSWORD not in by_alembic.stdout + by_alembic.stderr + by_us.stdout + by_us.stderr
    sentence = complaint(by_us).removeprefix("Error: ")
    assert complaint(by_alembic).endswith(sentence)


def test_a_role_without_the_rights_learns_what_it_takes(server: Cluster, empty_url: str) -> None:
    execute(empty_url, f"create role ann login password '{PASSWORD}'")
    try:
        name = empty_url.rpartition("/")[2]
        line = complaint(gmail_sync(server.url(name, "ann", PASSWORD)))
        assert "CREATEROLE" in line
        assert f"permission denied for database {name}" in line
    finally:
        execute(empty_url, "drop role ann")


def test_an_older_program_leaves_a_newer_schema_as_it_is(empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head")
    execute(empty_url, "update gmail_sync.alembic_version set version_num = '9999'")
    result = gmail_sync(empty_url)
    assert result.returncode == 0, result.stderr
    assert "newer than this program" in result.stderr
    assert "The schema is at revision 9999." in result.stdout
    for command in (["upgrade", "head"], ["current"], ["downgrade", "base"]):
        run([str(ALEMBIC), *command], empty_url)
        assert ask(empty_url, "select gmail_sync.schema_version()") == [("9999",)]


def test_the_revision_that_is_reported_is_the_true_one(empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head")
    command = [str(ALEMBIC.with_name("gmail-sync")), "migrate", "base"]
    assert f"at revision {migrate.head()}" in run(command, empty_url).stdout


def test_a_schema_that_lost_its_revision_is_named(empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head")
    execute(empty_url, "delete from gmail_sync.alembic_version")
    assert "alembic_version names no revision" in complaint(gmail_sync(empty_url))
    assert ask(empty_url, "select to_regclass('gmail_sync.message') is null") == [(False,)]


def test_a_url_may_end_in_a_newline(empty_url: str) -> None:
    assert run([str(ALEMBIC), "upgrade", "head"], f"{empty_url}\n").returncode == 0


def test_options_of_the_url_are_merged_with_ours(empty_url: str) -> None:
    setting = "-c%20search_path%3Dnowhere%20-c%20lock_timeout%3D7s"
    alembic(f"{empty_url}?options={setting}", "upgrade", "head")
    assert ask(empty_url, "select gmail_sync.schema_version()") != []


def test_nothing_of_ours_is_in_schema_public_or_needs_it(empty_url: str) -> None:
    execute(empty_url, "drop schema public")
    alembic(empty_url, "upgrade", "head")
    in_public = "select count(*) from pg_class where relnamespace = to_regnamespace('public')"
    assert ask(empty_url, in_public) == [(0,)]
    alembic(empty_url, "downgrade", "base")


def test_an_application_s_own_alembic_proposes_to_drop_nothing(empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(empty_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), MetaData()) == []
    engine.dispose()


def test_a_schema_of_somebody_else_is_left_as_it_is(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create schema gmail_sync create table gmail_sync.settings (a int)")
    result = run([str(ALEMBIC), "upgrade", "head"], empty_url)
    assert 'relation "settings" already exists' in complaint(result)
    assert ask(empty_url, "select count(*) from gmail_sync.settings") == [(0,)]
    assert ask(empty_url, "select to_regclass('gmail_sync.alembic_version')") == [(None,)]
