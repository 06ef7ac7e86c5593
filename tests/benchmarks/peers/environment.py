"""An environment for peers, made of a requirements file by the first benchmark that needs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import SkipTest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
INSTALL_SECONDS = 600
RUN_SECONDS = 300
STOP_SECONDS = 30


class Environment:
    """The packages of `name`.txt, in .venv-peers."""

    def __init__(self, name: str) -> None:
        self.folder = ROOT / ".venv-peers" / name
        self._requirements = HERE / f"{name}.txt"
        self._installed = self.folder / "installed.txt"

    @property
    def is_installed(self) -> bool:
        wanted = self._requirements.read_text()
        return self._installed.exists() and self._installed.read_text() == wanted

    def install(self) -> None:
        """Unless it is. SkipTest, with what pip said last: it cannot be, most likely offline."""
        if self.is_installed:
            return
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(self.folder)],
            [*pip, "--requirement", str(self._requirements)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
            if done.returncode:
                said = (done.stderr or done.stdout).strip().rpartition("\n")[2]
                raise SkipTest(f"{self._requirements.name} cannot be installed: {said}")
        self._installed.write_text(self._requirements.read_text())

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(
        self, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Any:
        """What a module here prints as JSON. RuntimeError, with what it said: it failed."""
        done = subprocess.run(
            self._command(module, arguments),
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"{module} {arguments[0]} failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    @contextmanager
    def running(self, output: Path, module: str, *arguments: str) -> Iterator[None]:
        """A module that goes on until the end of the block; what it prints goes to `output`."""
        command = self._command(module, arguments)
        with (
            output.open("wb") as file,
            subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                process.wait(STOP_SECONDS)

    def _command(self, module: str, arguments: tuple[str, ...]) -> list[str]:
        return [str(self.python), "-m", f"{__package__}.{module}", *arguments]
