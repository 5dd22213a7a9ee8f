"""A rehearsal in real processes: several at once, interrupted, killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cds_service.rehearsal.run import RehearsalPlan, rehearse
from cds_service.rehearsal.work import FOLDER
from tests.support.constants import ROOT
from tests.support.exports import CANARY, hospital, write

pytestmark = [pytest.mark.system, pytest.mark.process]
LONGEST = 120  # seconds of one run


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("export"), hospital(400))


@pytest.fixture(scope="module")
def wanted(export: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What one process gives."""
    out = tmp_path_factory.mktemp("out")
    rehearse(RehearsalPlan((str(export),), out, jobs=1))
    return (out / "summary.json").read_bytes()


def start(export: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cds_service", "rehearse", str(export), "--out", str(out)]
    # Whoever runs the tests in the background has them ignore Ctrl-C, and so would what they start.
    heard = ["env", "--default-signal=INT"]
    return subprocess.Popen(
        [*heard, *command, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_steps(out: Path, process: subprocess.Popen[str], most: int) -> None:
    """Until so many steps are done, or the run is over."""
    until = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < until:
        if len(list((out / FOLDER).glob("*-*"))) >= most:
            return
        time.sleep(0.02)


def test_two_processes_give_what_one_gives(export: Path, wanted: bytes, tmp_path: Path) -> None:
    process = start(export, tmp_path / "out", "--jobs", "2")
    said, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, said
    assert (tmp_path / "out/summary.json").read_bytes() == wanted
    assert CANARY not in said


def test_killed_at_any_moment_it_goes_on(export: Path, wanted: bytes, tmp_path: Path) -> None:
    out, rng = tmp_path / "out", random.Random(4)
    for _ in range(2):
        process = start(export, out, "--jobs", "2", "--restart")
        wait_for_steps(out, process, rng.randrange(30))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    process = start(export, out, "--jobs", "2", "--restart")
    said, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, said
    assert (out / "summary.json").read_bytes() == wanted
    assert not (out / FOLDER).exists()


def test_ctrl_c_says_how_to_go_on(export: Path, wanted: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(export, out, "--jobs", "2")
    wait_for_steps(out, process, 1)  # of some thirty: it is quickly over
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    said, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == 130, said
    assert "--restart goes on from here" in said
    assert "Traceback" not in said
    process = start(export, out, "--jobs", "1", "--restart")
    process.communicate(timeout=LONGEST)
    assert (out / "summary.json").read_bytes() == wanted
