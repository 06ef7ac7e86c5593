"""The ways into a migration: several at once, servers and URLs set up by others."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

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
