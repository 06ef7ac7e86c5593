"""How long the tests of this folder may search: GMAIL_SYNC_CHAOS=1 searches for many minutes."""

import os

LONG = bool(os.environ.get("GMAIL_SYNC_CHAOS"))
