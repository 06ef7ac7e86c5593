"""google-api-python-client's request builders, pointed at one endpoint."""

import json
from typing import Literal

from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import HttpRequest

from service.gmail.multipart import ANY_ID

Format = Literal["full", "raw", "minimal"]


class GmailApi:
    """The request builders for one endpoint: made once a process, shared by all threads."""

    def __init__(self, endpoint: str) -> None:
        root = endpoint.rstrip("/") + "/"
        # With only api_endpoint, batches would still go to Google.
        document = {
            **json.loads(get_static_doc("gmail", "v1")),
            "rootUrl": root,
            "baseUrl": root,
        }
        # Transport sends the requests, so they need no http of their own.
        users = build_from_document(document, http=object()).users()
        self.users = users
        self.messages = users.messages()
        self.attachments = users.messages().attachments()
        self.history = users.history()
        self.labels = users.labels()
        self.batch_url = root + document["batchPath"]
        self.has_batch = True
        self._any_message: dict[Format, HttpRequest] = {}

    def any_message(self, format: Format) -> HttpRequest:  # noqa: A002
        """The request for one message, with ANY_ID in place of its id.

        Building a request takes as long as reading its answer, so it is built once.
        """
        if format not in self._any_message:
            self._any_message[format] = self.messages.get(userId="me", id=ANY_ID, format=format)
        return self._any_message[format]
