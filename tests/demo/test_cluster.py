import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import psycopg
import pytest

from service.demo.cluster import PROGRAMS_VARIABLE, find_programs
from tests import cluster as clusters
from tests.cluster import Cluster, fast_cluster
from tests.waiting import wait_until

FAST_OWNER = """
from tests.cluster import fast_cluster
with fast_cluster() as cluster:
    print(cluster.server_pid, cluster.base_dir, flush=True)
    input()
"""
OWNER = """
from service.demo.cluster import Cluster
cluster = Cluster(fsync=False)
print(cluster.server_pid, cluster.base_dir, flush=True)
input()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster("jobs", fsync=False, settings={"cron.max_running_jobs": "7"}) as running:
        yield running


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def alive(pid: int) -> bool:
    """Whether the process runs; a killed orphan waiting for its reaper does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_pg_cron_launcher_lives_in_the_named_database(cluster: Cluster) -> None:
    launchers = """
        select count(*) from pg_stat_activity
        where backend_type = 'pg_cron launcher' and datname = 'jobs'
    """
    wait_until(lambda: ask(cluster.url("postgres"), launchers) == 1)


def test_pg_cron_installs_in_the_named_database(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url("jobs"), autocommit=True) as connection:
        connection.execute("create extension pg_cron")
    assert ask(cluster.url("jobs"), "select count(*) from cron.job") == 0


def test_settings_reach_the_server(cluster: Cluster) -> None:
    assert ask(cluster.url("jobs"), "show cron.max_running_jobs") == "7"
    assert ask(cluster.url("jobs"), "show fsync") == "off"
    assert ask(cluster.url("jobs"), "show timezone") == "UTC"


def test_letters_outside_ascii_have_a_lower_case(cluster: Cluster) -> None:
    assert ask(cluster.url("jobs"), "select lower('ÄÑŻ')") == "äñż"


def test_tcp_refuses_another_password(cluster: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(cluster.url("jobs", password="guess"), "select 1")


def test_pg_cron_logs_in_without_a_password_through_a_folder_closed_to_others(
    cluster: Cluster,
) -> None:
    folder = ask(cluster.url("jobs"), "show cron.host")
    assert folder == str(cluster.socket_folder)
    assert cluster.socket_folder.stat().st_mode & 0o077 == 0
    port = cluster.settings["port"]
    assert ask(f"host={folder} port={port} user=postgres dbname=jobs", "select 1") == 1


def test_a_url_names_another_role_and_its_password(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url("jobs"), autocommit=True) as connection:
        connection.execute("create role \"a/b@c\" login password 'p:/?#'")
    url = cluster.url("jobs", user="a/b@c", password="p:/?#")
    assert ask(url, "select current_user") == "a/b@c"


def test_a_new_database_is_a_copy_of_its_template(cluster: Cluster) -> None:
    cluster.create_database("pattern")
    with psycopg.connect(cluster.url("pattern"), autocommit=True) as connection:
        connection.execute("create table word as select 'copied' as text")
    cluster.create_database("a copy", template="pattern")
    assert ask(cluster.url("a copy"), "select text from word") == "copied"


def test_drops_a_database_somebody_is_connected_to(cluster: Cluster) -> None:
    cluster.create_database("doomed")
    with psycopg.connect(cluster.url("doomed")) as connection:
        cluster.drop_database("doomed")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    doomed = "select count(*) from pg_database where datname = 'doomed'"
    assert ask(cluster.url("jobs"), doomed) == 0


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_committed_rows_outlive_a_restart_at_the_same_url(
    cluster: Cluster, mode: Literal["fast", "immediate"]
) -> None:
    url, pid = cluster.url("jobs"), cluster.server_pid
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create table kept_{mode} as select 1 as number")
        cluster.restart(mode)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert cluster.server_pid != pid
    assert ask(url, f"select number from kept_{mode}") == 1


def test_a_second_cluster_runs_beside_the_first_and_stop_leaves_nothing(cluster: Cluster) -> None:
    with Cluster(fsync=False) as second:
        assert second.settings["port"] != cluster.settings["port"]
        assert ask(second.url(), "select current_database()") == "gmail_sync"
        pid, folder = second.server_pid, Path(second.base_dir)
        assert alive(pid)
    assert not alive(pid)
    assert not folder.exists()


def folder_of_a_killed_owner(program: str) -> Path:
    """The folder of its cluster, whose server has ended."""
    owner = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        server, folder = owner.stdout.readline().split()
        assert alive(int(server))
        owner.kill()
    wait_until(lambda: not alive(int(server)))
    return Path(folder)


def test_the_server_ends_when_its_owner_is_killed() -> None:
    shutil.rmtree(folder_of_a_killed_owner(OWNER))


def test_a_new_cluster_of_tests_removes_those_of_killed_runs_alone() -> None:
    left = folder_of_a_killed_owner(FAST_OWNER)
    assert left.exists()
    with fast_cluster() as first, fast_cluster() as second:
        assert not left.exists()
        assert ask(first.url(), "select 1") == ask(second.url(), "select 1")


@pytest.mark.parametrize(("gibibytes", "roomy"), [(3, False), (5, True)])
def test_a_cluster_of_tests_is_in_memory_if_the_machine_has_that(
    gibibytes: int, roomy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 30))
    meminfo = tmp_path / "meminfo"
    kilobytes = gibibytes << 20
    meminfo.write_text(f"MemTotal:       65000000 kB\nMemAvailable:   {kilobytes} kB\n")
    assert clusters.memory_has_room(meminfo) == roomy


def test_ctrl_c_at_the_owner_does_not_reach_the_server(cluster: Cluster) -> None:
    assert os.getpgid(cluster.server_pid) != os.getpgrp()


def test_says_what_to_do_when_no_server_has_pg_cron(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRAMS_VARIABLE, raising=False)
    monkeypatch.setattr("service.demo.cluster.OLDEST_VERSION", 1000)
    with pytest.raises(RuntimeError, match="make demo"):
        find_programs()


def test_runs_a_server_with_pg_cron_from_this_machine() -> None:
    assert (find_programs() / "postgres").exists()


def test_runs_the_server_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, folder in ((15, "older"), (1000, "newer")):
        (tmp_path / "pg_cron.so").touch()
        pg_config = tmp_path / folder / "pg_config"
        pg_config.parent.mkdir()
        answer = f"PostgreSQL {version}.1\\n{pg_config.parent}\\n{tmp_path}\\n"
        pg_config.write_text(f"#!/bin/sh\nprintf '{answer}'\n")
        pg_config.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "newer"), prepend=os.pathsep)
    monkeypatch.delenv(PROGRAMS_VARIABLE, raising=False)
    assert find_programs() == tmp_path / "newer"
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(tmp_path / "older"))
    assert find_programs() == tmp_path / "older"


def test_refuses_a_folder_without_a_server_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(tmp_path))
    with pytest.raises(RuntimeError, match=f"{PROGRAMS_VARIABLE} is {tmp_path}"):
        find_programs()
