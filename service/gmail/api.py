"""google-api-python-client's request builders, pointed at one endpoint."""

import json

import httplib2
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc


class GmailApi:
    """The request builders for one endpoint: made once a process, shared by all threads."""

    def __init__(self, endpoint: str) -> None:
        root = endpoint.rstrip("/") + "/"
        # With api_endpoint alone, batches would still go to Google.
        document = {
            **json.loads(get_static_doc("gmail", "v1")),
            "rootUrl": root,
            "baseUrl": root,
        }
        users = build_from_document(document, http=httplib2.Http()).users()
        self.users = users
        self.messages = users.messages()
        self.attachments = users.messages().attachments()
        self.history = users.history()
        self.labels = users.labels()
        self.batch_url = root + document["batchPath"]
        self.has_batch = True
