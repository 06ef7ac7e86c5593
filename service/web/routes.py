"""All pages."""

from service.web import mail, oidc, operator, sign_in, sync

PAGES = [*sign_in.ROUTES, *oidc.ROUTES, *sync.ROUTES, *mail.ROUTES, *operator.ROUTES]
