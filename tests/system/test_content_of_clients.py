"""Content of single clients, and SIGHUP where something is broken: nobody loses a call by it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cds_service.cli.main import app
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.service_process import ServiceProcess, started, started_by
from tests.system.test_content import BODY, LINKS, lines, overlay, said

pytestmark = pytest.mark.process

BROKEN = "  rules: {no-such-rule: off}\n"


class Hospitals:
    """A service with clients, and its overlay for all of them in `site`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = f"sqlite:///{folder / 'cds.db'}"
        self._issuers = {n: Issuer(None, iss=f"{ISS}/{n}") for n in ("north", "east", "west")}
        overlay(folder / "site", LINKS[0])

    def register(self, **clients: dict[str, str]) -> None:
        keys = key_set(jwk("P-384", self._issuers["north"].kid))
        text = "".join(
            client_toml(id=name, iss=self._issuers[name].iss, jwks=keys, **more)
            for name, more in clients.items()
        )
        (self.folder / "clients.toml").write_text(text)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CDS_CLIENTS": str(self.folder / "clients.toml"),
            "CDS_PUBLIC_URL": PUBLIC,
            "CDS_KNOWLEDGE_OVERLAY": str(self.folder / "site"),
            "CDS_DATABASE_URL": self.database,
        }

    def call(self, service: ServiceProcess, name: str) -> httpx.Response:
        token = self._issuers[name].token()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(service.base + SIGN, content=BODY, headers=headers, timeout=60)

    def link(self, service: ServiceProcess, name: str) -> str:
        """The link on the card of a client, whose call must be answered."""
        answer = self.call(service, name)
        assert answer.status_code == 200, answer.text
        return said(answer)[0]


@pytest.fixture
def hospitals(tmp_path: Path) -> Hospitals:
    return Hospitals(tmp_path)


def ready(service: ServiceProcess) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(service.base + "/health/ready", timeout=60).json()
    return told


def hang_up(service: ServiceProcess, event: str, meanwhile: Callable[[], object]) -> None:
    """Send SIGHUP, and do something until the log has one more line of this event."""
    before = len(lines(service, event))
    os.kill(service.process.pid, signal.SIGHUP)
    end = time.monotonic() + 300
    while len(lines(service, event)) == before:
        assert time.monotonic() < end, service.logged()[-2000:]
        meanwhile()
        time.sleep(0.2)


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_overlay_for_a_client_costs_no_call(hospitals: Hospitals) -> None:
    """Neither while it loads, nor where its path is wrong."""
    hospitals.register(north={}, east={})
    with started(**hospitals.settings) as service:
        assert hospitals.link(service, "east") == LINKS[0]
        hospitals.register(north={}, east={"overlay": "no-such-directory"})
        hang_up(service, "content NOT in force", lambda: hospitals.link(service, "east"))
        assert hospitals.link(service, "east") == LINKS[0]
        problems = ready(service)["problems"]
        assert problems == ["the content on disk of east is refused; the one before it is in force"]

        overlay(hospitals.folder / "east", LINKS[1])
        hospitals.register(north={}, east={"overlay": "east"})
        hang_up(service, "content in force", lambda: hospitals.link(service, "east"))
        answer = hospitals.call(service, "east")
        assert said(answer)[0] == LINKS[1]
        assert hospitals.link(service, "north") == LINKS[0]
        assert ready(service)["knowledge_of"] == {"east": said(answer)[1]}
        assert ready(service)["status"] == "ok"


def test_broken_content_holds_up_nobody_else(hospitals: Hospitals) -> None:
    """The overlay for all is broken; one client comes, one loses its overlay, one gets a pin."""
    overlay(hospitals.folder / "east", LINKS[1])
    hospitals.register(north={}, east={"overlay": "east"})
    with started(**hospitals.settings) as service:
        assert hospitals.link(service, "east") == LINKS[1]
        overlay(hospitals.folder / "site", LINKS[0], BROKEN)
        hospitals.register(
            north={"knowledge": "2020.01+00"}, east={}, west={"overlay": "east"}
        )  # fmt: skip
        hang_up(service, "content in force", lambda: None)

        assert hospitals.link(service, "east") == LINKS[0]
        assert hospitals.link(service, "west") == LINKS[1]
        assert hospitals.call(service, "north").status_code == 503
        assert ready(service)["problems"] == [
            "the content on disk is refused; the one before it is in force",
            "the knowledge that north is pinned to is not in force",
        ]

    shown = CliRunner().invoke(app, ["knowledge", "history", "--database", hospitals.database])
    rows = [row for row in shown.output.splitlines() if "client east" in row]
    assert len(rows) == 2, shown.output
    assert "SIGHUP, as all from now on" in rows[1]


def test_a_check_that_cannot_be_started_is_told(hospitals: Hospitals) -> None:
    hospitals.register(north={})
    with started(**hospitals.settings) as service:
        assert hospitals.link(service, "north") == LINKS[0]
        overlay(hospitals.folder / "site", LINKS[1])
        pid = service.process.pid
        most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        few = len(os.listdir(f"/proc/{pid}/fd")) + 2
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, most[1]))
        hang_up(service, "content NOT in force", lambda: None)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, most)
        assert "cannot be started" in lines(service, "content NOT in force")[0]["problem"]
        # The same want of file descriptors may have met the database, too.
        problems = ready(service)["problems"]
        assert any("the content on disk is refused" in problem for problem in problems), problems
        assert hospitals.link(service, "north") == LINKS[0]


def test_an_error_that_nobody_foresaw_leaves_the_old_content_in_force(
    hospitals: Hospitals,
) -> None:
    """The new content was found good, and this process has no file descriptor left to load it. A
    file name that is no UTF-8 is no error at all."""
    hospitals.register(north={})
    with started(**hospitals.settings) as service:
        assert hospitals.link(service, "north") == LINKS[0]
        overlay(hospitals.folder / "site", LINKS[1])
        (hospitals.folder / "site" / os.fsdecode(b"\xff.bak")).write_text("x")
        pid = service.process.pid
        most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        os.kill(pid, signal.SIGHUP)
        children = Path(f"/proc/{pid}/task/{pid}/children")
        until(lambda: bool(children.read_text()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, most[1]))
        until(lambda: bool(lines(service, "unexpected")))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, most)
        assert lines(service, "unexpected")[0]["error"] == "OSError"
        assert hospitals.link(service, "north") == LINKS[0]
        assert "the content on disk is refused" in str(ready(service)["problems"])

        hang_up(service, "content in force", lambda: hospitals.link(service, "north"))
        assert hospitals.link(service, "north") == LINKS[1]
        assert ready(service)["status"] == "ok"


def test_files_that_change_while_they_are_tried_do_not_come_into_force(
    hospitals: Hospitals,
) -> None:
    """What is loaded is what the synthetic patients were answered with."""
    hospitals.register(north={})
    with started(**hospitals.settings) as service:
        assert hospitals.link(service, "north") == LINKS[0]
        overlay(hospitals.folder / "site", LINKS[1])
        pid = service.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")

        def change_once_it_is_tried() -> None:
            if children.read_text():
                overlay(hospitals.folder / "site", "Not tried")

        hang_up(service, "content NOT in force", change_once_it_is_tried)
        told = lines(service, "content NOT in force")[0]["problem"]
        assert "changed while they were checked" in told
        assert hospitals.link(service, "north") == LINKS[0]


def test_a_registry_that_is_nested_too_deep_changes_nothing(hospitals: Hospitals) -> None:
    hospitals.register(north={})
    with started(**hospitals.settings) as service:
        assert hospitals.link(service, "north") == LINKS[0]
        (hospitals.folder / "clients.toml").write_text("x = " + "[" * 3000 + "]" * 3000)
        hang_up(
            service,
            "clients NOT reloaded: the file is broken, the old registry stays in force",
            lambda: None,
        )
        assert hospitals.link(service, "north") == LINKS[0]
        assert "the file of clients is broken" in ready(service)["problems"][0]


def test_a_user_without_an_entry_can_serve() -> None:
    """A container's user, often. Only root may enter the folders of a test run."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    other = ("env", "-u", "LOGNAME", "-u", "USER", "setpriv", "--reuid=54321", "--clear-groups")
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        with started_by(other, None, CDS_DATA_DIR=folder) as service:
            assert ready(service)["status"] == "ok"
