"""All pages."""

from litestar.types import ControllerRouterHandler

from service.web import mail, oidc, operator, sign_in, sync, webhooks

PAGES: list[ControllerRouterHandler] = [
    *sign_in.ROUTES,
    *oidc.ROUTES,
    *sync.ROUTES,
    *mail.ROUTES,
    *webhooks.ROUTES,
    *operator.ROUTES,
]
