"""A disk of its own for a service: small, to be filled, and gone with the process."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.service_process import ServiceProcess

_OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private"]


@dataclass
class SmallDisk:
    """A file system at `folder` that only the service sees; `before` is the command that makes it
    and starts what comes after it."""

    folder: Path
    before: list[str]

    def of(self, service: ServiceProcess) -> Path:
        """The folder as the service sees it. SQLite cannot open a file there: it would follow the
        link to our own root."""
        return Path(f"/proc/{service.process.pid}/root{self.folder}")

    def fill(self, service: ServiceProcess) -> None:
        """Nothing fits any more."""
        with (self.of(service) / "taken").open("wb", buffering=0) as taken:
            try:
                while taken.write(bytes(512)):
                    pass
            except OSError:
                return

    def empty(self, service: ServiceProcess) -> None:
        """There is room again."""
        (self.of(service) / "taken").unlink()

    def feedback(self, service: ServiceProcess, name: str, folder: Path) -> list[str]:
        """Cards of all feedback in the SQLite file of this name, looked up in a copy."""
        for file in self.of(service).glob(f"{name}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder / file.name)
        connection = sqlite3.connect(folder / name)
        try:
            return [row[0] for row in connection.execute("SELECT card FROM feedback")]
        finally:
            connection.close()


def small_disk(folder: Path, kilobytes: int, then: str = "true") -> SmallDisk:
    """A disk of this size, mounted when the service starts; `then` is done before that, in sh.
    Skips the test where that is not possible."""
    if (
        shutil.which(_OWN_MOUNTS[0]) is None
        or subprocess.run(
            [*_OWN_MOUNTS, "mount", "-t", "tmpfs", "x", "/mnt"], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("a disk of its own needs root and unshare")
    mount = f"mount -t tmpfs -o size={kilobytes}k small {folder}"
    return SmallDisk(
        folder, [*_OWN_MOUNTS, "sh", "-c", f'{mount} && {{ {then}; }} && exec "$@"', "sh"]
    )
