"""Restart, upgrade and roll-back under load."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import asyncpg
import httpx

from scripts.operating.site import Hospital, Instance, Site

OLD = "v0.9.0"
WHAT_UPGRADE_NEEDS = (
    f"upgrade needs a folder with a checkout of {OLD}: `git worktree add FOLDER {OLD}`, and then "
    "--old FOLDER. Its .venv is made there from its own requirements.lock (a minute, network)."
)


def roll(proxies: list[str], rounds: int, *, freezes: bool) -> bool:
    """Restart one after the other, as a service manager would, with each proxy. With `freezes`
    proxy and instances stand still for some seconds while an instance ends, each time later."""
    well = True
    for name in proxies:
        with ExitStack() as stack:
            site = Site(stack)
            machines = [site.instance(), site.instance()]
            for each in machines:
                each.start()
            hospital = Hospital(getattr(site, name)(), site.authority)
            took = []
            with hospital.calling():
                time.sleep(3)
                for number, each in enumerate(machines * rounds):
                    after = _ENDING_SECONDS * number / (2 * rounds)
                    frozen = Thread(target=site.freeze, args=(after, _FROZEN_SECONDS))
                    if freezes:
                        frozen.start()
                    took.append(each.stop())
                    if freezes:
                        frozen.join()
                    each.start()
                    time.sleep(SEEN_SECONDS)
            ends = f"{2 * rounds} restarts, each ended in {min(took):.1f} to {max(took):.1f} s"
            well &= site.told(f"{name}, {ends}", hospital)
    return well


_FROZEN_SECONDS = 3.0
_ENDING_SECONDS = 6.5  # from SIGTERM to the end of an instance, with no freeze
SEEN_SECONDS = 2.0
"""After which a proxy of deploy/ sends calls to a machine again that is ready."""


def python_of(folder: Path) -> str:
    """The Python of a checkout, with all that its lock names. Raises SystemExit."""
    if not (folder / "cds_service").is_dir():
        raise SystemExit(f"{folder} is no checkout. {WHAT_UPGRADE_NEEDS}")
    python = str(folder / ".venv" / "bin" / "python")
    if not (folder / ".venv" / ".complete").exists():
        print(f"Making {folder}/.venv from requirements.lock")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / ".venv"], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        lock = ["--no-deps", "--require-hashes", "-r", "requirements.lock"]
        subprocess.run([*pip, *lock], check=True, cwd=folder)
        own = ["--no-deps", "--no-build-isolation", "--editable", "."]
        subprocess.run([*pip, *own], check=True, cwd=folder)
        (folder / ".venv" / ".complete").touch()
    return python


def upgrade(folder: Path) -> bool:
    """From an older version to this one and back, each machine taken out of nginx before."""
    old = python_of(folder)
    with ExitStack() as stack:
        site = Site(stack)
        machines = [site.instance(old), site.instance(old)]
        for each in machines:
            each.start()
        hospital = Hospital(site.nginx(), site.authority)
        with hospital.calling():
            time.sleep(3)
            for python in (sys.executable, old):
                for each in machines:
                    with site.out_of_nginx(each):
                        each.stop()
                        each.python = python
                        each.start()
                    time.sleep(6)  # both versions at work on one database
                    print(f"  at work: {at_work(machines)}; failed so far {hospital.failed()}")
        well = site.told("upgrade and back, nginx", hospital)
        print("  tables:", ", ".join(sorted(asyncio.run(tables(site.url)))))
    return well


def at_work(machines: list[Instance]) -> list[str]:
    """What each machine says of itself."""
    states = [httpx.get(each.base + "/health/ready", timeout=20).json() for each in machines]
    names = ("version", "knowledge", "database")  # 0.9.0 does not tell its version
    return [", ".join(f"{name} {one.get(name, '-')}" for name in names) for one in states]


async def tables(url: str) -> list[str]:
    """Tables in the database."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        return [row["table_name"] for row in rows]
    finally:
        await connection.close()
