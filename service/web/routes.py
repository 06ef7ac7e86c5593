"""All pages."""

from service.web import mail, operator, sign_in, sync

PAGES = [*sign_in.ROUTES, *sync.ROUTES, *mail.ROUTES, *operator.ROUTES]
