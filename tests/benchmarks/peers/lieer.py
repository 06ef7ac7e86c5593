"""A first `gmi pull` into a folder that is empty: seconds it took.

lieer.py FOLDER EMAIL ACCESS_TOKEN
"""

import json
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import notmuch2
from lieer import Gmailieer

NEVER = "2999-01-01T00:00:00Z"


def main(folder: str, email: str, access_token: str) -> None:
    mail = Path(folder)
    configuration = mail / "notmuch-config"
    configuration.write_text(f"[database]\npath={mail}\n[user]\nprimary_email={email}\n")
    os.environ["NOTMUCH_CONFIG"] = str(configuration)
    notmuch2.Database.create(mail).close()
    account = mail / "account"
    with redirect_stdout(sys.stderr):
        gmi("init", "--no-auth", "--path", str(account), email)
        credentials = {"token": access_token, "expiry": NEVER}
        unused = {"refresh_token": "-", "client_id": "-", "client_secret": "-"}
        (account / ".credentials.gmailieer.json").write_text(json.dumps(credentials | unused))
        began = time.perf_counter()
        gmi("pull", "--path", str(account))
        seconds = time.perf_counter() - began
    messages = len(list((account / "mail" / "cur").iterdir()))
    print(json.dumps({"messages": messages, "seconds": seconds}))


def gmi(*arguments: str) -> None:
    """As the command of that name."""
    sys.argv = ["gmi", *arguments]
    Gmailieer().main()


if __name__ == "__main__":
    main(*sys.argv[1:])
