"""The Compose file of nodes and router, without an engine."""

import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from db.connection import parse_url
from service.config import Config
from tests.handbook.handbook import ROOT, run

FILES = ("compose.yaml", "compose.nodes.yaml")
VALUES = {
    "GMAIL_SYNC_CREDENTIALS_KEYS": Fernet.generate_key().decode(),
    "GMAIL_SYNC_JWT_SECRET": secrets.token_hex(32),
}
NODES = ["postgres", "node1", "node2"]


def interpolated(part: Any) -> Any:
    """As Compose does it, with a value for each variable that must be set."""

    def value(match: re.Match[str]) -> str:
        return VALUES.get(match[1], match[3] if match[2] == "-" else "secret")

    if isinstance(part, dict):
        return {name: interpolated(each) for name, each in part.items()}
    if isinstance(part, list):
        return [interpolated(each) for each in part]
    if isinstance(part, str):
        return re.sub(r"\$\{(\w+)(?::([-?])(.*?))?\}", value, part).replace("$$", "$")
    return part


def merged(one: Any, other: Any) -> Any:
    """As Compose merges two files, as far as they need it."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {name: merged(one[name], other[name]) for name in one.keys() & other.keys()}
        return one | other | both
    return other


@pytest.fixture(scope="module")
def compose() -> Any:
    one, other = (yaml.safe_load((ROOT / "docker" / each).read_text()) for each in FILES)
    return interpolated(merged(one, other))


def hosts(urls: str) -> list[str]:
    return [str(parse_url(url)["host"]) for url in urls.split()]


def test_each_service_volume_and_image_that_is_named_exists(compose: Any) -> None:
    services = compose["services"]
    built = {each["image"] for each in services.values() if "build" in each}
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        assert service["image"] in built or "profiles" in service, name
        mounted = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {each for each in mounted if "/" not in each} <= compose["volumes"].keys(), name
        environment = service.get("environment", {})
        named = [
            environment.get(each, "")
            for each in ("DATABASE_URL", "GMAIL_SYNC_NODE_URLS", "GMAIL_SYNC_ROUTER_URL")
        ]
        assert set(hosts(" ".join(named))) <= services.keys(), name


@pytest.mark.parametrize("service", ["service", "worker"])
def test_service_and_worker_use_the_router_and_each_node(compose: Any, service: str) -> None:
    config = Config.from_environment(compose["services"][service]["environment"])
    assert hosts(config.database_url) == ["router"]
    assert hosts(" ".join(config.node_urls)) == NODES


def test_each_server_gets_the_login_and_each_node_the_schema(compose: Any) -> None:
    services = compose["services"]
    assert f"for PGHOST in {' '.join(NODES)} router;" in services["login"]["command"]
    assert hosts(services["migrate"]["environment"]["GMAIL_SYNC_NODE_URLS"]) == NODES
    for command in (services["login"]["command"], services["migrate"]["command"]):
        subprocess.run(["sh", "-n", "-c", command], check=True)


def test_pgbouncer_gets_its_configuration(compose: Any, tmp_path: Path) -> None:
    pooler = compose["services"]["pooler"]
    script = pooler["command"][-1].replace("/etc/pgbouncer", str(tmp_path))
    run(["sh", "-eu"], re.sub("chown 999 ", "ls ", script), **pooler["environment"])
    configuration = (tmp_path / "pgbouncer.ini").read_text()
    for number, node in enumerate(NODES):
        assert f"node{number} = host={node} port=5432" in configuration
    assert "\nlisten_addr = *\n" in configuration
    assert "\nauth_file = /etc/pgbouncer/userlist.txt\n" in configuration
    password = pooler["environment"]["GMAIL_SYNC_ROUTER_PASSWORD"]
    assert (tmp_path / "userlist.txt").read_text() == f'"gmail_sync_router" "{password}"\n'
