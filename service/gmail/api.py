"""google-api-python-client's request builders, pointed at one endpoint."""

import json
from typing import Literal

from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import HttpRequest

from service.gmail.multipart import ANY_ID, Get

Kind = Literal["message", "thread"]
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
        self.threads = users.threads()
        self.attachments = users.messages().attachments()
        self.history = users.history()
        self.labels = users.labels()
        self.batch_url = root + document["batchPath"]
        self.has_batch = True
        self._of_any_id: dict[tuple[Kind, Format], HttpRequest] = {}

    def get(self, kind: Kind, id: str, format: Format) -> Get:  # noqa: A002
        """The request for one message or thread.

        Building a request takes as long as reading its answer, so it is built once for all ids.
        """
        request = self._of_any_id.get((kind, format))
        if request is None:
            methods = self.messages if kind == "message" else self.threads
            request = methods.get(userId="me", id=ANY_ID, format=format)
            self._of_any_id[kind, format] = request
        return Get(request, id)
