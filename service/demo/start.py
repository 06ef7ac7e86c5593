"""Starts the service for a demo."""

import errno
import os
import secrets
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from service.api.auth.make_token import make_token
from service.demo.cluster import Cluster
from service.demo.processes import DidNotStart, Process, free_port
from service.demo.receiver import NETWORK

LOGIN = "gmail_sync_login"
DEFAULT_PORT = 8000


class Service(NamedTuple):
    """Where the service is, and what signs its tokens."""

    url: str
    secret: str

    def token(self, user: str) -> str:
        """For a day."""
        return make_token(self.secret, user, ("operator",), timedelta(days=1))


def start_service(
    stack: ExitStack,
    folder: Path,
    *,
    database_url: str,
    gmail_url: str,
    keys: str,
    user: str,
    **more: str,
) -> Service:
    """Start the service, at PORT, or 8000, or a free port if that is taken.

    A click signs `user` in. `more` are further variables. Raises DidNotStart.
    """
    secret = secrets.token_hex(32)
    environment = {
        "DATABASE_URL": database_url,
        "GMAIL_SYNC_JWT_SECRET": secret,
        "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
        "GMAIL_SYNC_GMAIL_ENDPOINT": gmail_url,
        "GMAIL_SYNC_OAUTH_ENDPOINT": gmail_url,
        "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
        "GMAIL_SYNC_DEMO_USER": user,
        "GMAIL_SYNC_WEBHOOK_NETWORKS": NETWORK,
        **more,
    }

    def start(port: int) -> Service:
        service = Service(f"http://127.0.0.1:{port}", secret)
        ready_url = f"{service.url}/api/gmail/sync/status"
        at_port = {**environment, "PORT": str(port)}
        log = folder / "service.log"
        stack.enter_context(Process(["serve"], at_port, log, ready_url, service.token(user)))
        return service

    wanted = int(os.environ.get("PORT") or DEFAULT_PORT)
    try:
        return start(wanted)
    except DidNotStart as error:
        if os.strerror(errno.EADDRINUSE) not in str(error):
            raise
    port = free_port()
    print(f"Port {wanted} is taken; using {port}.", file=sys.stderr)
    return start(port)


def make_login(cluster: Cluster) -> str:
    """The database user of the service: a member of gmail_sync_service only. Returns its URL."""
    password = secrets.token_urlsafe()
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login password {} in role gmail_sync_service").format(
                sql.Identifier(LOGIN), sql.Literal(password)
            )
        )
    return cluster.url(user=LOGIN, password=password)
