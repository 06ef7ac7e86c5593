"""A command of the service that is measured only once its modules are loaded.

Prints "ready", and runs the command after a line on stdin.
"""

import importlib
import sys

from service.cli import main

# Loaded by a command when it runs.
MODULES = (
    "rich.progress",
    "service.cli.account",
    "service.cli.export",
    "service.cli.removal",
    "service.cli.verify",
)

if __name__ == "__main__":
    for module in MODULES:
        importlib.import_module(module)
    print("ready", flush=True)
    sys.stdin.readline()
    main(sys.argv[1:])
