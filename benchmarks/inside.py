"""In process: what each stage of a call costs, and how time and memory grow with the record."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date

import orjson

from benchmarks.bodies import body
from benchmarks.servers import ROOT, resident_bytes
from cds_service import guidance, hooks
from cds_service.cdshooks import bounds, models
from cds_service.cdshooks import request as envelope
from cds_service.clinical.days import Days
from cds_service.fhir.draft_orders import Drafts
from cds_service.knowledge.loader import load
from cds_service.ops.settings import Settings
from cds_service.server.app import settle_memory
from cds_service.trust.tokens import ANONYMOUS

KNOWLEDGE = load()
SETTINGS = Settings(max_draft_orders=1_000)
TODAY = date(2026, 11, 23)
RUNTIME = hooks.offline(KNOWLEDGE, TODAY, SETTINGS)
SERVICE = KNOWLEDGE.services["ho-order-sign"]
settle_memory()  # as the service does when it starts


def decide(content: bytes) -> bytes:
    """Bytes in, bytes out, as the endpoint does it."""
    return asyncio.run(hooks.answer(SERVICE.id, content, ANONYMOUS, RUNTIME))


def read(request: models.CDSRequest) -> hooks.Consultation:
    consultation = hooks.Consultation(request, SERVICE, KNOWLEDGE, Days.of(TODAY))
    for _ in consultation.read():
        pass
    return consultation


def best(work: Callable[[], object], seconds: float = 0.4, least: int = 3) -> float:
    """The shortest of several runs, in milliseconds: the one that was disturbed least."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times) * 1000


def stages(conditions: int) -> dict[str, float]:
    """Milliseconds of each stage, of the whole, and of `orjson.loads` of the same body."""
    content = body(conditions)
    request = envelope.parse(content)
    consultation = read(request)
    chart = consultation.reader.chart()
    orders = Drafts(
        request.context.draft_orders, KNOWLEDGE.index, request.context.patient_id, TODAY
    ).read()
    assessment = guidance.assess(chart, orders.orders, KNOWLEDGE, TODAY)
    answer = RUNTIME.composer.compose(assessment, chart)
    return {
        "limits": best(lambda: bounds.check_body(content, SETTINGS)),
        "envelope": best(lambda: envelope.parse(content)),
        "read": best(lambda: read(request)),
        "chart": best(lambda: consultation.reader.chart()),
        "assess": best(lambda: guidance.assess(chart, orders.orders, KNOWLEDGE, TODAY)),
        "cards": best(lambda: RUNTIME.composer.compose(assessment, chart)),
        "encode": best(lambda: models.encode(answer)),
        "whole": best(lambda: decide(content)),
        "orjson": best(lambda: orjson.loads(content)),
    }


# --- growth ---


def growth(kind: str, numbers: tuple[int, ...]) -> list[tuple[int, int, float, float]]:
    """For each number of conditions or orders: bytes of the body, milliseconds, peak bytes of
    memory above idle. Each in a process of its own, because a peak never goes down again."""
    found = []
    for number in numbers:
        command = [sys.executable, "-m", "benchmarks.inside", kind, str(number)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        found.append((number, *json.loads(said.stdout)))
    return found


def many_orders(orders: int = 200, conditions: int = 1_000) -> float:
    """The time of a call with so many orders over that of a call with one, with the same chart."""
    several, one = body(conditions, orders=orders), body(conditions)
    return best(lambda: decide(several), 2.0) / best(lambda: decide(one), 2.0)


def exponent(points: list[tuple[float, float]]) -> float:
    """Slope of the line through the logarithms: 1 is a straight line, 2 a square."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    above = sum((x - mean_x) * (y - mean_y) for x, y in logs)
    return above / sum((x - mean_x) ** 2 for x, _ in logs)


def _one(kind: str, number: int) -> tuple[int, float, float]:
    content = body(number) if kind == "conditions" else body(10, orders=number)
    decide(body(1))
    gc.collect()
    before = _memory("VmRSS")
    decide(content)
    peak = max(0, _memory("VmHWM") - before)
    return len(content), best(lambda: decide(content), 0.6), peak


def _memory(field: str) -> int:
    if field == "VmHWM":
        return resident_bytes(os.getpid(), field)
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the peak starts again from here
    return resident_bytes(os.getpid(), field)


if __name__ == "__main__":
    print(json.dumps(_one(sys.argv[1], int(sys.argv[2]))))
