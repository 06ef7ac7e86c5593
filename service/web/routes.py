"""Every page there is."""

from service.web import operator, sign_in, sync

PAGES = [*sign_in.ROUTES, *sync.ROUTES, *operator.ROUTES]
