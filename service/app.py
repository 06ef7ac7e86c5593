"""The one place that builds the API, and the server that runs it."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Protocol

import uvicorn
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler
from structlog.typing import FilteringBoundLogger

from service import migrate, telemetry
from service.accounts.connect import OAuthConnector
from service.api import (
    account,
    asgi,
    changes,
    connect,
    content,
    events,
    health,
    links,
    mail,
    operator,
    operator_lists,
    problems,
    push,
    sync,
    threads,
    webhooks,
)
from service.api.auth import security
from service.api.auth.keys import CachedJwks, JwksKeySource, KeySource, Secret
from service.api.auth.push_tokens import PushTokens
from service.api.auth.tokens import Authentication
from service.api.feed import ProgressBroadcaster
from service.api.metrics import RequestMetrics
from service.api.operator_access import OperatorAccessLog
from service.config import Config, ConfigError
from service.google.configuration import Google
from service.google.consent import Consent
from service.mailbox.access import MailboxOpener
from service.postgres.pool import Pool
from service.web import reference, static
from service.web.oidc import ProviderSignIn
from service.web.pages import Pages, is_navigation
from service.web.routes import PAGES
from service.web.sign_in import DemoSignIn

# Handlers wait for Postgres in these; asyncio's own number follows the CPUs and would be 6 here.
HANDLER_THREADS = 40
# Requests that go on for longer are cut off when the server stops.
GRACE_SECONDS = 5


class BackgroundWorker(Protocol):
    def start(self) -> None: ...

    def drain(self) -> None: ...

    def stop(self) -> None: ...


def create_app(
    config: Config,
    pool: Pool,
    worker: BackgroundWorker | None,
    log: FilteringBoundLogger,
    google: Google | None = None,
) -> Litestar:
    """The API, with a worker if one is given. Pool and worker live as long as the app runs.

    Without `google`, requests for content that only Gmail has are answered with a problem. The app
    also starts without a database. Raises ConfigError if no key for tokens is configured.
    """
    provider = ProviderSignIn.of(config, log)
    authentication = Authentication(
        _keys(config, log),
        config.jwt_issuer,
        config.jwt_audience,
        provider.sessions if provider else None,
    )
    broadcaster = ProgressBroadcaster(config.nodes, pool, log)
    probes = health.new_pool(config.database_url)
    probe = health.Probe(probes, migrate.head(), len(config.nodes))
    metrics = RequestMetrics()
    stopping = threading.Event()
    static_files = static.StaticFiles([*static.FOLDER.iterdir(), *reference.FILES])
    pages = Pages(static_files)
    conversions = problems.conversions(log)
    provided = {
        "pool": pool,
        "broadcaster": broadcaster,
        "probe": probe,
        "authentication": authentication,
        "access_log": OperatorAccessLog(probes),
        "request_metrics": metrics,
        "mailboxes": MailboxOpener(pool, google, log, stopping),
        "subscription": _subscription(config, log),
        "google": google,
        "connector": _connector(config, google, log),
        "static_files": static_files,
        "pages": pages,
        "demo": DemoSignIn.of(config),
        "provider": provider,
    }
    app = Litestar(
        route_handlers=[
            _named("Syncs", [*sync.ROUTES, *events.ROUTES]),
            _named("Mail", [*mail.ROUTES, *threads.ROUTES, *changes.ROUTES, *content.ROUTES]),
            _named("Accounts", [*connect.ROUTES, *account.ROUTES, *push.ROUTES]),
            _named("Webhooks", webhooks.ROUTES),
            _named("Operators", [*operator.ROUTES, *operator_lists.ROUTES, *webhooks.FOR_ALL]),
            _named("Probes", health.ROUTES),
            pages.router([*static.ROUTES, *PAGES], conversions),
        ],
        dependencies={name: _provide(value) for name, value in provided.items()},
        middleware=[authentication.middleware],
        guards=[security.refuse_other_sites(config.public_url)],
        exception_handlers=pages.errors(conversions, is_navigation),
        lifespan=[_lifespan(pool, probe, broadcaster, worker)],
        openapi_config=reference.configuration(static_files),
        logging_config=None,
    )
    app.state.broadcaster = broadcaster
    app.state.worker = worker
    app.state.stopping = stopping
    routed = asgi.slashes_in_ids(_prefixed(app, config.public_url))
    over_tls = config.public_url.startswith("https:")
    secured = asgi.heads(security.secured(routed, over_tls))
    observed = asgi.observed(secured, log, metrics)
    app.asgi_handler = telemetry.traced(observed)
    return app


class Server(uvicorn.Server):
    """Uvicorn that ends open streams itself: it waits for them before it stops the app."""

    def __init__(self, app: Litestar) -> None:
        self._broadcaster: ProgressBroadcaster = app.state.broadcaster
        self._worker: BackgroundWorker | None = app.state.worker
        self._stopping: threading.Event = app.state.stopping
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._broadcaster.end_streams()
        self._stopping.set()
        if self._worker:
            # While the last requests are answered.
            self._worker.drain()
        await super().shutdown(sockets)


def _subscription(config: Config, log: FilteringBoundLogger) -> push.Subscription | None:
    audience, service_account = config.push_audience, config.push_service_account
    if audience is None or service_account is None:
        return None
    keys = CachedJwks(config.google_keys_url, log)
    return push.Subscription(PushTokens(keys, audience, service_account), log)


def _keys(config: Config, log: FilteringBoundLogger) -> KeySource:
    if config.jwt_jwks_url:
        return JwksKeySource(config.jwt_jwks_url, log)
    if config.jwt_secret:
        return Secret(config.jwt_secret)
    raise ConfigError(
        [
            "GMAIL_SYNC_JWT_SECRET is not set: make one with openssl rand -hex 32; or, for tokens"
            " of your application's issuer, set GMAIL_SYNC_JWT_JWKS_URL"
        ]
    )


def _connector(
    config: Config, google: Google | None, log: FilteringBoundLogger
) -> OAuthConnector | None:
    if google is None or not (google.client_id and google.client_secret and config.public_url):
        return None
    redirect_uri = f"{config.public_url}{connect.CALLBACK}"
    consent = Consent(google, google.client_id, google.client_secret, redirect_uri)
    return OAuthConnector(google, consent, config.quota_profile, log)


def _prefixed(app: Litestar, public_url: str) -> ASGIApp:
    own_paths = {route.path.split("/")[1] for route in app.routes} - {""}
    try:
        return links.prefixed(app.asgi_handler, public_url, own_paths)
    except ValueError as error:
        raise ConfigError([f"GMAIL_SYNC_PUBLIC_URL {error}"]) from error


def _named(group: str, handlers: Sequence[ControllerRouterHandler]) -> Router:
    """Routes that the API reference shows together."""
    return Router("/", route_handlers=handlers, tags=[group])


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _lifespan(
    pool: Pool,
    probe: health.Probe,
    broadcaster: ProgressBroadcaster,
    worker: BackgroundWorker | None,
) -> Any:
    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(HANDLER_THREADS, "handler"))
        stack = ExitStack()

        def start() -> None:
            stack.enter_context(pool)
            stack.enter_context(probe)
            broadcaster.start(loop)
            stack.callback(broadcaster.stop)
            if worker:
                worker.start()
                stack.callback(worker.stop)

        try:
            await asyncio.to_thread(start)
            yield
        finally:
            await asyncio.to_thread(stack.close)

    return lifespan
