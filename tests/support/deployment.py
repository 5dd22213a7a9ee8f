"""A service of two workers under `scripts/soak`: started again when killed, with a log that can be
left unread, on a disk that can fill, in memory that can run out."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.support.service_process import ServiceProcess, started_by, workers_of


class Log:
    """A pipe for the log of the service, with a reader that can pause and die."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.reads, self.lives = threading.Event(), True
        self.reads.set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while self.reads.wait() and self.lives and os.read(self.read_end, 65_536):
            pass
        os.close(self.read_end)

    def die(self) -> None:
        """The reader goes, with its next line at the latest."""
        self.lives = False


class Disk:
    """A small disk for the log. Raises CalledProcessError where this process may not mount one."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "soak", str(folder)]
        subprocess.run(mount, check=True, capture_output=True)
        stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
        self._taken = folder / "taken"
        self.log = (folder / "log").open("ab")
        stack.callback(self.log.close)

    def fill(self) -> None:
        """Nothing fits any more."""
        with self._taken.open("wb", buffering=0) as taken:
            try:
                while taken.write(bytes(4096)):
                    pass
            except OSError:
                return

    def empty(self) -> None:
        """There is room again."""
        self._taken.unlink(missing_ok=True)


class Deployment:
    """The service, what keeps it running, and what it depends on.

    The log goes to the disk until the parent is killed, where there is one, and to a pipe then.
    """

    def __init__(self, stack: ExitStack, environment: dict[str, str], disk: Disk | None) -> None:
        self._stack, self._environment = stack, environment
        self.log = Log()
        self._writes_to = disk.log.fileno() if disk else self.log.write_end
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = str(free.getsockname()[1])
        self.told = ""
        self.service = self._start()

    def _start(self) -> ServiceProcess:
        options = ("--workers", "2", "--port", self._port)
        process = started_by((), self._writes_to, *options, **self._environment)
        service = self._stack.enter_context(process)
        for _ in range(8):  # until both workers serve
            httpx.get(service.base + "/health/live", timeout=120)
        return service

    def kill_parent(self) -> None:
        """kill -9, and start again as soon as the port is free."""
        begun, old = time.monotonic(), workers_of(self.service)
        self.service.process.kill()
        self.service.process.wait()
        while any(Path(f"/proc/{pid}").exists() for pid in old):
            time.sleep(0.1)
        ended = time.monotonic()
        self._writes_to = self.log.write_end
        self.service = self._start()
        self.told = (
            f"workers ended after {ended - begun:.1f} s, "
            f"served again after {time.monotonic() - begun:.1f} s"
        )

    def leave_memory(self, more: int | None) -> None:
        """Bytes that each worker may still take from the system; None for as many as it likes."""
        for pid in workers_of(self.service):
            pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[0])
            most = resource.RLIM_INFINITY if more is None else pages * 4096 + more
            resource.prlimit(pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

    def size(self) -> str:
        """Memory and open files of the workers."""
        pids = workers_of(self.service)
        pages = [int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1]) for pid in pids]
        files = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
        return f"RSS {[n * 4096 // 2**20 for n in pages]} MB, open files {files}"
