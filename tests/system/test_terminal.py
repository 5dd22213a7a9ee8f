"""What somebody sees who starts the service in a terminal: a real pseudo-terminal, lines of a log.

Also commands whose output cannot be written, or is not read to its end.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread

import httpx
import pytest

from cds_service.ops.log import TerminalFormatter
from tests.support.constants import FIXTURES, ROOT
from tests.support.issuer import SIGN

COMMAND = (sys.executable, "-m", "cds_service")
CHECK = (*COMMAND, "check", str(FIXTURES / "fop-biopsy.json"))
LINE = re.compile(r"\d\d:\d\d:\d\dZ (WARNING |ERROR )?[a-z][a-z ]+  (\w+=\S.*)?")


class Terminal:
    """The screen and the keyboard of a service that runs in a terminal."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.process, self._master = process, master
        self._seen, self._changed = b"", Condition()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 65_536)
            except OSError:  # Linux ends a terminal that nobody holds open with EIO
                part = b""
            with self._changed:
                self._seen += part
                self._changed.notify_all()
            if not part:
                return

    def lines(self) -> list[str]:
        """All that stands on the screen, as it was written."""
        return self._seen.decode().split("\r\n")

    def until(self, wanted: str) -> str:
        """The first line that matches, as soon as it is there."""

        def found() -> str | None:
            return next((line for line in self.lines()[:-1] if re.search(wanted, line)), None)

        with self._changed:
            line = self._changed.wait_for(found, timeout=60)
        assert line, f"{wanted} did not come: {self._seen!r}"
        return line

    def press_ctrl_c(self) -> int:
        """What a person does to end it; gives the exit code."""
        os.write(self._master, b"\x03")
        code = self.process.wait(20)
        self._reader.join(20)
        return code


@contextmanager
def in_terminal(environment: Mapping[str, str]) -> Iterator[Terminal]:
    """`cds-service serve` in a terminal of its own, which is its controlling one."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\x00\x50\x00" + bytes(4))  # 24 lines of 80
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    # `setsid --ctty` gives it the terminal, so that Ctrl-C reaches it as a signal.
    process = subprocess.Popen(
        ("setsid", "--ctty", "--wait", *COMMAND, "serve", "--port", "0"),
        stdin=slave, stdout=slave, stderr=slave, cwd=ROOT,
        env=env | {"CDS_DATABASE_URL": "none", "TERM": "xterm-256color"} | dict(environment),
    )  # fmt: skip
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait(20)
        os.close(master)


def test_lines_of_the_log_in_a_terminal(tmp_path: Path) -> None:
    """Each is one line for people: no JSON, no sign that moves the cursor, nothing of a patient."""
    body = (FIXTURES / "hostile-text.json").read_bytes()
    with in_terminal({"CDS_DATA_DIR": str(tmp_path)}) as terminal:
        base = terminal.until("See it work: ").split(": ")[1].rstrip("/")
        with httpx.Client(base_url=base) as client:
            assert client.get("/health/live").status_code == 200
            assert client.post(SIGN, content=body).status_code == 200
            assert client.post(SIGN, content=b"{").status_code == 400
        shown = terminal.until("status=200.* tier=high")
        terminal.until("status=400")
        assert terminal.press_ctrl_c() == 0
        lines = [line for line in terminal.lines() if line and line != "^C"]

    assert "cards=[" in shown
    assert " hook=order-sign " in shown
    logged = [line for line in lines if line[:1].isdigit()]
    assert len(logged) >= 4
    assert [line for line in logged if not LINE.fullmatch(line)] == []
    assert lines[-1] in logged  # neither a traceback nor anything else comes at the end
    assert all(line.isprintable() for line in lines)
    assert not re.search(r"alert|Synthetic|Example|pat-1|evil", "\n".join(lines))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\x1b[2J\x07", r'iss="\u001b[2J\u0007"'),
        ("a\r\n12:00:00Z request  status=200", r'iss="a\r\n12:00:00Z request  status=200"'),
        ("\u202eesrever", r'iss="\u202eesrever"'),
        ("\x9b31m", r'iss="\u009b31m"'),
        ("https://ehr.example.org", "iss=https://ehr.example.org"),
        ("a b", 'iss="a b"'),
    ],
)
def test_text_from_outside_moves_no_cursor(value: str, shown: str) -> None:
    record = logging.LogRecord("cds_service", logging.INFO, "", 0, "token refused", None, None)
    record.stream, record.facts = "audit", {"iss": value}

    assert TerminalFormatter().format(record)[10:] == f"token refused  {shown}"


def test_a_full_disk_is_one_clear_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(CHECK, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "cds-service: the output cannot be written: No space left on device\n"


def test_a_reader_that_leaves_early_is_no_error_of_ours() -> None:
    """As `| head -1` does."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(CHECK, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)

    assert done.stderr == ""


def test_a_setting_in_small_letters_is_told() -> None:
    env = {**os.environ, "cds_port": "9000"}
    command = (*COMMAND, "serve", "--port", "0")
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)

    assert done.returncode == 1
    assert done.stderr == "cds-service: cds_port is not read: write CDS_PORT, in capitals\n"
