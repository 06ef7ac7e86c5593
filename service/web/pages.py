"""Renders pages in the language and time zone of the reader.

A handler of a page is a function like any other that ends in `pages.page(request, template, …)`.
Templates get values and never markup: autoescape is on, so text from mail stays text.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, Router
from litestar.exceptions import NotAuthorizedException
from litestar.params import QueryParameter
from litestar.plugins.problem_details import ProblemDetailsException
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from service.api.auth.security import PAGE_CSP, SAFE_METHODS
from service.api.connect import OWN_PATH
from service.api.links import link, prefix_of
from service.api.problems import Conversions
from service.api.reader import time_zone_of, translator_of
from service.i18n.translator import Translator
from service.web.static import StaticFiles

FOLDER = Path(__file__).parent / "templates"
AnyRequest = Request[Any, Any, Any]
# Proxies take 8 kB of an address. It stands in that of the sign-in, with each "%" escaped.
LONGEST_RETURN = 4000
ReturnPath = Annotated[str, QueryParameter(max_length=LONGEST_RETURN, pattern=OWN_PATH)]


class Pages:
    """Renders templates/."""

    def __init__(self, static_files: StaticFiles) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._static_files = static_files

    def page(
        self,
        request: AnyRequest,
        template: str,
        *,
        status_code: int = 200,
        policy: str = PAGE_CSP,
        **values: object,
    ) -> Response[str]:
        """The page that `template` makes of `values`.

        Beside these it knows `t(key, **values)`, `section(*prefixes)` for scripts, `number(n)`,
        `time(at, style)`, `language`, `zone`, and `identity` of the user, or None. Every address
        of ours is made by `url(path)` or `static(name)`. The template's folder is the part of the
        page that the navigation marks.
        """
        language, zone = translator_of(request), time_zone_of(request)
        content = self._templates.get_template(template).render(
            **values,
            url=partial(link, request),
            static=lambda name: link(request, self._static_files.path(name)),
            prefix=prefix_of(request),
            t=language.translate,
            section=language.section,
            number=language.format,
            time=_times(language, zone),
            language=language,
            zone=zone,
            identity=request.scope.get("user"),
            part=template.partition("/")[0],
        )
        return Response(
            content,
            status_code=status_code,
            media_type=MediaType.HTML,
            headers={
                "Content-Language": language.tag,
                "Content-Security-Policy": policy,
                "Vary": "Accept-Language, Cookie",
            },
        )

    def router(
        self, handlers: Sequence[ControllerRouterHandler], conversions: Conversions
    ) -> Router:
        """Pages, whose errors are pages too. They require signing in."""
        return Router(
            "/",
            route_handlers=handlers,
            exception_handlers=self.errors(conversions, lambda _: True),
            include_in_schema=False,
        )

    def errors(
        self, conversions: Conversions, is_page: Callable[[AnyRequest], bool]
    ) -> dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]]:
        """Handlers for exceptions: an error page for a page, else problem details.

        A page redirects to sign in if nobody is signed in.
        """

        def handler(
            convert: Callable[[Any], ProblemDetailsException],
        ) -> Callable[[AnyRequest, Any], Response[Any]]:
            def answer(request: AnyRequest, error: Exception) -> Response[Any]:
                if not is_page(request):
                    return convert(error).to_response(request)
                if isinstance(error, NotAuthorizedException):
                    return _to_sign_in(request)
                return self._error(request, convert(error))

            return answer

        return {
            **{kind: handler(convert) for kind, convert in conversions.items()},
            ProblemDetailsException: handler(lambda error: error),
        }

    def _error(self, request: AnyRequest, problem: ProblemDetailsException) -> Response[str]:
        """With the messages for its code, else for its status."""
        status, messages = problem.status_code, translator_of(request).messages
        code = problem.extra.get("code") if isinstance(problem.extra, dict) else None
        kinds = (kind for kind in (code, status) if f"error.{kind}.title" in messages)
        answer = self.page(request, "error.html", status_code=status, kind=next(kinds, "other"))
        answer.headers.update(problem.headers or {})
        return answer


def is_navigation(request: AnyRequest) -> bool:
    """Whether a browser will show the response as a page, as after a click on a link."""
    return request.headers.get("Sec-Fetch-Dest") == "document"


def _times(language: Translator, zone: tzinfo) -> Callable[[datetime, str], Markup]:
    """Formats a time as `moment`, `day` or `clock`, so that page.js can format it again."""

    def time(at: datetime, style: str = "moment") -> Markup:
        text = getattr(language, style)(at.astimezone(zone))
        return Markup('<time datetime="{}" data-style="{}">{}</time>').format(
            at.isoformat(), style, text
        )

    return time


def _to_sign_in(request: AnyRequest) -> Redirect:
    """Come back here afterwards, unless the request was for a change."""
    wanted = "/"
    if request.method in SAFE_METHODS:
        path, query = quote(request.scope["path"]), request.url.query
        wanted = f"{path}?{query}" if query else path
        if len(wanted) > LONGEST_RETURN or not re.match(OWN_PATH, wanted):
            wanted = "/mail" if path == "/mail" else "/"
    sign_in = f"/sign-in?{urlencode({'return_to': wanted})}"
    return Redirect(link(request, sign_in), status_code=303)
