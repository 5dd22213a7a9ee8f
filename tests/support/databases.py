"""Databases for tests: an SQLite file, and PostgreSQL of Debian's package started here."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest

_NUMBERS = count(1)


class Postgres:
    """A server of our own, reached through a socket in its directory; gone after the tests."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cds-postgres-"))
        self.programs = programs
        # PostgreSQL refuses to run as root; its package brings a user.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user, self._user)
        self._run(
            "initdb",
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--no-locale",
            "-E",
            "UTF8",
        )
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # Tests kill our service, never this server nor the machine: nothing has to reach the disk.
        options = ("listen_addresses=''", f"unix_socket_directories={self.folder}", "fsync=off")
        settings = " ".join(f"-c {option}" for option in options)
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", log, "-o", settings)

    def restart(self) -> None:
        """Stop at once, as after a loss of power, and start again."""
        log = str(self.folder / "log")
        self._run("pg_ctl", "restart", "--mode=immediate", "--wait", "--silent", "--log", log)

    def halt(self) -> None:
        """Stop at once; `start` begins again."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--wait", "--silent")

    def become_standby(self) -> None:
        """Start again as a server that follows another one, and only reads."""
        self._run("pg_ctl", "stop", "--mode=fast", "--wait", "--silent")
        (self.folder / "data" / "standby.signal").touch()
        self.start()

    def promote(self) -> None:
        """Take writes again."""
        self._run("pg_ctl", "promote", "--wait", "--silent")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", "--silent")
        shutil.rmtree(self.folder)

    def _run(self, program: str, *options: str) -> None:
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *options]
        with (self.folder.parent / f"{self.folder.name}.out").open("w+") as output:
            # Not a pipe: the server that pg_ctl leaves behind would keep it open.
            done = subprocess.run(
                command,
                stdout=output,
                stderr=output,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                cwd="/",
                check=False,
            )
            output.seek(0)
            text = output.read()
        Path(output.name).unlink()
        assert done.returncode == 0, text

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        async def run() -> None:
            connection = await asyncpg.connect(
                host=str(self.folder), user="postgres", database=database
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    def new_name(self) -> str:
        return f"test_{next(_NUMBERS)}"

    def new_database(self) -> str:
        """URL of an empty database."""
        name = self.new_name()
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (scripts/install-system-packages)")
    server = Postgres(found[-1].parent)
    try:
        yield server
    finally:
        server.stop()


POSTGRESQL = pytest.param("postgresql", marks=[pytest.mark.system, pytest.mark.postgres])


@pytest.fixture(params=["sqlite", POSTGRESQL])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feedback.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio."""
    return "asyncio"
