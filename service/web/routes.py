"""Every page there is."""

from service.web import sign_in, sync

PAGES = [*sign_in.ROUTES, *sync.ROUTES]
