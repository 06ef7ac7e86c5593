"""What a user id is: the rule of the domain gmail_sync.user_key."""

import re

# The control characters of Unicode, as a part of a regular expression of Python or JSON Schema.
CONTROLS = r"\u0000-\u001f\u007f-\u009f"
USER_ID = re.compile(rf"(?=.*\S)[^{CONTROLS}]{{1,255}}")
