"""Prometheus with the files of deploy/, and instances with the faults that it is to see."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

import httpx

from scripts.operating.site import (
    BODY,
    DEPLOY,
    JSON,
    Hospital,
    Instance,
    Site,
    answers,
    free_port,
    until,
)
from tests.support.ehr_calls import record, with_access, without
from tests.support.heavy_calls import heavy
from tests.support.issuer import SIGN

NOBODY = "http://127.0.0.1:9"  # the port discard: nobody listens


def prometheus_of(site: Site, mend: Callable[[str], str] = str) -> str:
    """Prometheus with the files of deploy/prometheus, each second; its URL. `mend` changes the
    text of its rules."""
    port, folder = free_port(), site.folder / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    file, rules = folder / "prometheus.yml", folder / "alerts.yml"
    targets = ", ".join(f'"127.0.0.1:{one.port}"' for one in site.instances)
    file.write_text(file.read_text().replace("15s", "1s").replace('"cds-service:8000"', targets))
    rules.write_text(mend(rules.read_text()))
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
    )  # fmt: skip
    site.stack.callback(process.wait)
    site.stack.callback(process.terminate)
    base = f"http://127.0.0.1:{port}"
    until(lambda: answers(f"{base}/-/ready"))
    return base


def alerts_of(prometheus: str) -> dict[str, str]:
    """The state of each alert that is pending or firing."""
    found = httpx.get(f"{prometheus}/api/v1/alerts", timeout=20).json()["data"]["alerts"]
    ordered = sorted(found, key=lambda one: str(one["state"]), reverse=True)  # firing counts
    return {one["labels"]["alertname"]: one["state"] for one in ordered}


class Faults:
    """Three instances: one that is well, one on which much goes wrong, and one that is slow.

    `weak` has narrow limits, a client in shadow, a log that nobody can write, no database, nobody
    who takes its traces, and a FHIR server that is not there. The FHIR server of `slow` takes
    connections and never answers; its client may have one call at once.
    """

    def __init__(self, site: Site) -> None:
        stack = site.stack
        full = os.open("/dev/full", os.O_WRONLY)
        stack.callback(os.close, full)
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
        self._silent = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
        servers = [f"{NOBODY}/fhir", self._silent]
        reach = {"fhir_servers": servers, "private_hosts": ["127.0.0.1"]}
        self.well = site.instance(CDS_CLIENTS=site.clients(**reach))
        self.weak = site.instance(
            log=full, CDS_WORKERS="1", CDS_CLIENTS=site.clients(mode="shadow", **reach),
            CDS_MAX_CONCURRENT="4", CDS_MAX_CONCURRENT_PER_CLIENT="4", CDS_GIVE_UP_MS="50",
            CDS_DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing", CDS_REPLAY="memory",
            CDS_TRACES_URL=f"{NOBODY}/v1/traces", CDS_TRACES_SHARE="1",
        )  # fmt: skip
        self.slow = site.instance(
            CDS_WORKERS="1", CDS_CLIENTS=site.clients(**reach), CDS_DEADLINE_MS="1000",
            CDS_BUDGET_MS="2000", CDS_MAX_CONCURRENT_PER_CLIENT="1",
        )  # fmt: skip
        self.site = site
        for each in site.instances:
            each.start()

    def bodies(self) -> list[bytes]:
        """Calls on which something goes wrong: a code that is not read, an entry that is none, a
        FHIR server that is not there."""
        unread, partial = json.loads(BODY), json.loads(BODY)
        code = {"coding": [{"system": "urn:oid:1.2.3.4", "code": "x"}]}
        condition = {"resourceType": "Condition", "id": "unread", "code": code}
        entries = unread["prefetch"]["conditions"]["entry"]
        condition["subject"] = entries[0]["resource"]["subject"]
        entries += [{"resource": condition}]
        partial["prefetch"]["conditions"]["entry"] += [{"resource": "junk"}]
        reading = with_access(without(record(), "conditions"), f"{NOBODY}/fhir")
        return [json.dumps(one).encode() for one in (unread, reading, unread, partial)]

    @contextmanager
    def driven(self) -> Iterator[None]:
        """All faults, while the block runs."""
        waiting = with_access(without(record(), "conditions"), self._silent)
        slow = json.dumps(waiting).encode()
        large = heavy(60, 3000)
        with (
            self._calling(self.well, [BODY, *self.bodies()], 1, 0.2),
            self._calling(self.weak, self.bodies(), 6, 0),
            self._calling(self.weak, [large], 1, 5),
            self._calling(self.slow, [slow], 3, 0.1),
            self._unknown(),
        ):
            yield

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Calls to the one that is well, in which no order is looked at."""
        call = json.loads(BODY)
        for entry in call["context"]["draftOrders"]["entry"]:
            code = {"system": "http://loinc.org", "code": "2160-0"}  # creatinine
            entry["resource"]["code"] = {"coding": [code], "text": "Creatinine"}
        with self._calling(self.well, [json.dumps(call).encode()], 6, 0.02):
            yield

    @contextmanager
    def _calling(self, one: Instance, bodies: list[bytes], callers: int, pause: float
                 ) -> Iterator[None]:  # fmt: skip
        """Calls without end, one body after the other; what is answered is not looked at."""
        hospital, stop = Hospital(one.base, self.site.authority), threading.Event()

        def run() -> None:
            with httpx.Client(base_url=one.base, timeout=60) as client:
                for body in cycle(bodies):
                    if stop.wait(pause):
                        return
                    hospital.send(client, SIGN, body)

        with running([run] * callers, stop):
            yield

    @contextmanager
    def _unknown(self) -> Iterator[None]:
        """Calls with a token that is none."""
        stop = threading.Event()

        def run() -> None:
            with httpx.Client(base_url=self.well.base, timeout=60) as client:
                while not stop.wait(0.2):
                    client.post(SIGN, content=BODY, headers={"Authorization": "Bearer x"} | JSON)

        with running([run], stop):
            yield


@contextmanager
def running(jobs: list[Callable[[], None]], stop: threading.Event) -> Iterator[None]:
    """Threads that end when `stop` is set, which the end of the block does."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def is_above_0(name: str, one: Instance) -> bool:
    """Whether a figure, with any label, has begun to count."""
    text = httpx.get(one.base + "/metrics", timeout=60).text
    found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
    return any(float(value) > 0 for value in found)
