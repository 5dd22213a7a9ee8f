"""Every command block of README and docs runs as written, in a copy of the repository.

The port is another one than 8000, which may be taken, and curl fails where an answer is an error.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.clone import clone
from tests.system.documents import DOCUMENTS, SHELL, Block, blocks

pytestmark = pytest.mark.system

PRELUDE = 'set -euo pipefail; curl() { command curl --fail --show-error "$@"; };\n'
BLOCKS = {document.name: blocks(document) for document in DOCUMENTS}
WITH_COMMANDS = [name for name, found in BLOCKS.items() if any(block.is_run for block in found)]


class Terminal:
    """A copy of the repository, installed, where blocks run one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = clone(folder / "repository")
        self._home = folder
        self._service: subprocess.Popen[str] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self._install()

    def _install(self) -> None:
        """What scripts/serve would install, by pointing at what this interpreter has."""
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=self.folder, check=True
        )
        [packages] = self.folder.glob(".venv/lib/python3*/site-packages")
        paths = f"{self.folder}\n{sysconfig.get_path('purelib')}\n"
        (packages / "here.pth").write_text(paths)
        here, there = Path(sys.executable).parent, self.folder / ".venv" / "bin"
        for name in ("pip", "cds-service"):
            text = (here / name).read_text().replace(str(here), str(there))
            (there / name).write_text(text)
            (there / name).chmod(0o755)
        lock = "requirements.lock"
        self.shell(f"source scripts/environment; state_of {lock} >.venv/.installed-{lock}")

    def shell(self, commands: str, exit_code: int = 0) -> None:
        """Run commands; they must end with this code."""
        done = subprocess.run(
            ["bash", "-c", PRELUDE + commands.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")],
            cwd=self.folder, env=self._environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == exit_code, f"{commands}\n{done.stdout[-2000:]}{done.stderr}"

    def python(self, code: str) -> None:
        """Run Python code."""
        (self.folder / "block.py").write_text(code)
        self.shell("python block.py")

    def serve(self, commands: str) -> None:
        """Start a service that goes on, wait for its address, and run the curl line it prints."""
        self.stop()
        with (self._home / "service.log").open("w") as log:
            self._service = subprocess.Popen(
                ["bash", "-c", PRELUDE + commands],
                cwd=self.folder, env=self._environment(), start_new_session=True,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        last = "curl" if "scripts/serve" in commands else "Discovery"
        assert self._service.stdout is not None
        for line in self._service.stdout:
            if last in line:
                break
        else:
            pytest.fail(f"{commands}\n{(self._home / 'service.log').read_text()}")
        assert f"127.0.0.1:{self._port}/cds-services" in line
        if last == "curl":
            self.shell(line.strip())

    def stop(self) -> None:
        """End the service, if one runs."""
        if self._service is not None:
            os.killpg(self._service.pid, signal.SIGTERM)
            self._service.communicate(timeout=20)
            self._service = None

    def _environment(self) -> dict[str, str]:
        gone = re.compile("CDS_|XDG_|PYTHON$|VIRTUAL_ENV$")
        own = {key: value for key, value in os.environ.items() if not gone.match(key)}
        path = f"{self.folder / '.venv' / 'bin'}:{own['PATH']}"
        return own | {"PATH": path, "HOME": str(self._home), "CDS_PORT": self._port}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.stop()


def run(terminal: Terminal, block: Block) -> None:
    """Do with a block what its reader would."""
    if block.file:
        path = terminal.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif not block.is_run:
        return
    elif block.language == "python":
        terminal.python(block.text)
    elif block.serves:
        terminal.serve(block.commands)
    else:
        terminal.shell(block.commands, block.exit_code)


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_the_commands_of_a_document_run_as_written(name: str, terminal: Terminal) -> None:
    for block in BLOCKS[name]:
        run(terminal, block)


def test_there_are_documents_with_commands() -> None:
    assert {"README.md", "feedback.md", "integrators.md"} <= set(WITH_COMMANDS)


def test_every_block_names_its_language() -> None:
    assert not [block.place for found in BLOCKS.values() for block in found if not block.language]


def test_a_block_that_is_not_run_says_why() -> None:
    for found in BLOCKS.values():
        for block in found:
            assert not block.misread(), f"{block.place}: a reason, or a path, is missing"
            if block.language in SHELL and not block.is_run:
                assert len(block.comments) == 1, block.place
