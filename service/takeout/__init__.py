"""Mail as Google Takeout exports it: an mbox with labels, threads and message ids.

Google documents no format. What is known comes from files that people have shown:

    From 1662455037267323666@xxx Mon Mar 02 12:00:00 +0000 2026
    X-GM-THRID: 1662455037267323666
    X-Gmail-Labels: Inbox,Unread,"Work/Projects"
    …the message as Gmail delivered it…
    (an empty line)

`open_exports` reads such files, and `mbox_entry` writes them.
"""

from service.takeout.exports import Export, open_exports
from service.takeout.labels import label_ids
from service.takeout.message import TakeoutError, TakeoutMessage

__all__ = ["Export", "TakeoutError", "TakeoutMessage", "label_ids", "open_exports"]
