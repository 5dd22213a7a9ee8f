"""A service that can be killed: forked from a process that has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.process import BaseProcess

import aiosqlite  # noqa: F401  # imported here so that no fork has to
import asyncpg  # noqa: F401
from pydantic import SecretStr

import cds_service.store.database  # noqa: F401
from cds_service.ops.settings import Settings
from cds_service.server import run

_FORKS = multiprocessing.get_context("forkserver")


def start(port: int, url: str) -> BaseProcess:
    """Run what `cds-service serve` runs, in a process of its own."""
    _FORKS.set_forkserver_preload([__name__])
    process = _FORKS.Process(target=_serve, args=(port, url), daemon=True)
    process.start()
    return process


def _serve(port: int, url: str) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    run.run(Settings(port=port, database_url=SecretStr(url)))
