"""The API reference at /schema: Swagger UI for people, the OpenAPI document for programs.

The files of Swagger UI come from a package and are served by us. The page of Litestar's plugin has
its script inline and loads a favicon from elsewhere. This one needs neither. So its policy is as
strict as that of our own pages, except for styles.
"""

from html import escape
from importlib.resources import files
from typing import Any

from litestar import MediaType, Request, Response, Router
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.types import Method

from service.api.auth.security import PAGE_CSP
from service.api.auth.tokens import OPEN, SECURITY_SCHEMES
from service.api.links import link, prefix_of
from service.web.static import StaticFiles

DOCUMENT = "/schema/openapi.json"
# A package for another program. It is kept up to date and has few dependencies.
_SWAGGER_UI = files("mkdocs_swagger_ui_tag") / "swagger-ui"
FILES = (
    _SWAGGER_UI / "javascripts" / "swagger-ui-bundle.js",
    _SWAGGER_UI / "stylesheets" / "swagger-ui.css",
)
# Swagger UI writes styles into elements.
REFERENCE_CSP = PAGE_CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_PAGE = """<!doctype html>
<html lang="en" data-document="{document}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference · gmail-sync</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{style}">
<script src="{library}" defer></script>
<script src="{script}" type="module"></script>
</head>
<body>
<main id="reference"><noscript>The reference needs JavaScript.</noscript></main>
</body>
</html>
"""


def configuration(static_files: StaticFiles) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="gmail-sync",
        version="1",
        description="A self-hosted Gmail sync that lives in Postgres.",
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        components=SECURITY_SCHEMES,
        security=[{scheme: []} for scheme in SECURITY_SCHEMES.security_schemes or ()],
        render_plugins=[_Reference(static_files), _Document()],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            opt=OPEN,
            include_in_schema=False,
            after_request=_finish,
        ),
    )


def _operation_id(handler: HTTPRouteHandler, _method: Method, _path: object) -> str:
    """The name of the handler: generators of clients make the names of their functions of it.

    Handlers of two controllers have the same names, so `operation_suffix` is added.
    """
    return f"{handler.handler_name}{handler.opt.get('operation_suffix', '')}"


class _Reference(SwaggerRenderPlugin):
    def __init__(self, static_files: StaticFiles) -> None:
        super().__init__(path="/")
        self._static_files = static_files

    def render(self, request: Request[Any, Any, Any], _schema: dict[str, Any]) -> bytes:
        names = {
            "icon": "icon.svg",
            "style": "swagger-ui.css",
            "library": "swagger-ui-bundle.js",
            "script": "reference.js",
        }
        addresses = {key: self._static_files.path(name) for key, name in names.items()}
        addresses["document"] = DOCUMENT
        return _PAGE.format_map(
            {key: escape(link(request, path)) for key, path in addresses.items()}
        ).encode()

    def receive_router(self, router: Router) -> None:
        """No page for OAuth: the reference signs in by the cookie or a token."""


class _Document(JsonRenderPlugin):
    """The document with the address at which its reader finds the service."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        servers = [{"url": prefix_of(request) or "/"}]
        return super().render(request, openapi_schema | {"servers": servers})


def _finish(response: Response[Any]) -> Response[Any]:
    if response.status_code == 404:
        # Litestar has a page of its own for these.
        raise NotFoundException
    if response.media_type == MediaType.HTML:
        response.headers["Content-Security-Policy"] = REFERENCE_CSP
    return response
