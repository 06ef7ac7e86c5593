"""The page one comes to: the sync, what to do when something is wrong, and the runs before."""

from litestar import Response, get
from litestar.di import NamedDependency

from service.api.auth import UserRequest
from service.web.pages import Pages


@get("/", sync_to_thread=True)
def show(request: UserRequest, pages: NamedDependency[Pages]) -> Response[str]:
    return pages.page(request, "sync/sync.html")


ROUTES = [show]
