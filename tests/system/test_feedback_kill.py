"""Kill -9 during a stream of feedback: what was acknowledged is there, nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from cds_service.store.database import Database
from cds_service.store.tables import feedback
from tests.support import victim
from tests.support.constants import ROOT

pytestmark = pytest.mark.process

KILLS = 20
SENDERS = 4
SECONDS = 300  # after which a test gives up; a quiet machine needs ten

Process = BaseProcess | subprocess.Popen[bytes]
Start = Callable[[int, str], Process]


def command(port: int, url: str) -> Process:
    """The real command, with nothing imported beforehand."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
        env=env | {"CDS_DATABASE_URL": url},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stream:
    """Senders that post batches, each until it is acknowledged, as an EHR does.

    `acknowledged` are the cards of batches that got 200; `sent` all cards that were ever posted.
    """

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.broken = 0  # posts that got no answer
        self.problems: list[str] = []
        self._change = threading.Condition()
        self._starts = 0
        self._over = False
        self._end = time.monotonic() + SECONDS
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Let every sender come to the end of its batch."""
        with self._change:
            self._over = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def wait_for_acknowledged(self, count: int) -> None:
        with self._change:
            goal = len(self.acknowledged) + count
            self._wait(lambda: len(self.acknowledged) >= goal or bool(self.problems))

    def up(self) -> None:
        """Wait for the service, and tell the senders that it is there."""
        while True:
            try:
                httpx.get(f"{self.base}/health/live", timeout=5)
                break
            except httpx.TransportError:
                assert time.monotonic() < self._end, "the service does not start"
                time.sleep(0.01)
        with self._change:
            self._starts += 1
            self._change.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        assert self._change.wait_for(condition, self._end - time.monotonic()), "took too long"

    def _wait_for_start(self, last: int) -> None:
        self._wait(lambda: self._starts > last)

    def _send(self, seed: int) -> None:
        choice = random.Random(seed)
        with httpx.Client(base_url=self.base, timeout=20) as client:
            while not self._over and not self.problems:
                batch = [_item() for _ in range(choice.randint(1, 5))]
                try:
                    self._post_until_acknowledged(client, batch)
                    if choice.random() < 0.3:  # a client that did not see the answer
                        self._post_until_acknowledged(client, batch)
                except Exception as error:
                    self.problems.append(repr(error))

    def _post_until_acknowledged(self, client: httpx.Client, batch: list[dict[str, Any]]) -> None:
        cards = {item["card"] for item in batch}
        while not self.problems:
            with self._change:
                self.sent |= cards
                start = self._starts
            try:
                answer = client.post(
                    "/cds-services/ho-order-sign/feedback", json={"feedback": batch}
                )
            except httpx.TransportError:
                with self._change:
                    self.broken += 1
                    self._wait_for_start(start)
                continue
            if answer.status_code == 503:
                continue
            assert answer.json() == {"feedback": len(batch)}, answer.text
            with self._change:
                self.acknowledged |= cards
                self._change.notify_all()
            return


def _item() -> dict[str, Any]:
    return {
        "card": str(uuid4()),
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-23T10:00:00Z",
    }


def stored(url: str) -> Counter[str]:
    """How often each card is in the database."""

    async def read() -> Counter[str]:
        database = Database(url)
        try:
            async with database.engine.connect() as connection:
                return Counter((await connection.execute(select(feedback.c.card))).scalars())
        finally:
            await database.close()

    return asyncio.run(read())


def kill_again_and_again(start: Start, url: str, kills: int) -> Stream:
    port = free_port()
    stream = Stream(port)
    choice = random.Random(4)
    process = start(port, url)
    try:
        stream.up()
        stream.begin()
        for _ in range(kills):
            stream.wait_for_acknowledged(choice.randint(3, 40))
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join() if isinstance(process, BaseProcess) else process.wait()
            acknowledged = set(stream.acknowledged)
            assert acknowledged <= stored(url).keys()
            process = start(port, url)
            stream.up()
        stream.finish()
    finally:
        stream.problems.append("over")
        stream.finish()
        process.terminate()
        process.join() if isinstance(process, BaseProcess) else process.wait()
    return stream


def check(stream: Stream, url: str) -> None:
    found = stored(url)
    assert stream.problems == ["over"]
    assert stream.acknowledged <= found.keys() <= stream.sent
    assert set(found.values()) == {1}


def test_twenty_kills(
    database_url: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    stream = kill_again_and_again(victim.start, database_url, KILLS)

    check(stream, database_url)
    assert stream.broken > 0
    figures = f"{len(stream.acknowledged)} acknowledged, {stream.broken} posts without an answer"
    record_testsuite_property(f"kills on {database_url.partition(':')[0]}", figures)


def test_the_command_itself_is_killed(database_url: str) -> None:
    check(kill_again_and_again(command, database_url, 1), database_url)
