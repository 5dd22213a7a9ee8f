"""A worker whose memory runs out under one call says so, and answers the next."""

from __future__ import annotations

import gzip
import json
import resource
from pathlib import Path

import httpx
import pytest

from tests.support.attack_book import attack
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN
from tests.support.service_process import started
from tests.support.wire_rules import check_answer

pytestmark = pytest.mark.process
SMALL = json.dumps(build(HIGH)).encode()
PACKED = gzip.compress(SMALL[:-1] + b',"extension":{"pad":"' + b"x" * 15_000_000 + b'"}}')
MEMORY_LEFT = 24 * 2**20  # bytes: the plain text of the packed body, and not what is made of it


@attack("Bodies", "packed body of 15 MB where memory is short", "503; the next call is answered")
def test_memory_that_runs_out() -> None:
    with started("--allow-anonymous") as service, httpx.Client(base_url=service.base) as client:
        before = client.post(SIGN, content=SMALL)
        pid = service.process.pid
        pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[0])
        most = pages * resource.getpagesize() + MEMORY_LEFT
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
        short = client.post(SIGN, content=PACKED, headers={"Content-Encoding": "gzip"}, timeout=60)
        after = client.post(SIGN, content=SMALL)
        service.process.terminate()
        service.process.wait(20)  # by then the log is written
        log = service.logged()

    check_answer(short.status_code, short.content)
    assert short.status_code == 503
    assert "no memory is left" in short.json()["issue"][0]["diagnostics"]
    assert before.json()["cards"]
    assert before.status_code == after.status_code == 200
    assert "MemoryError" in log
