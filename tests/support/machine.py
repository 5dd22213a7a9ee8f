"""A machine for drills: the folders and the `systemctl` that docs/drills.md speaks of."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.constants import ROOT

_FOLDERS = ("/etc/cds-service", "/var/lib/cds-service", "/var/backups/cds-service")
_SYSTEMCTL = """#!/usr/bin/env bash
# start, stop, restart and reload of one service, as its unit says.
set -eu
cd {folder}
is_there() {{ [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"; }}
stop() {{
  [ -e pid ] || return 0
  kill -TERM "$(cat pid)"
  while is_there "$(cat pid)"; do sleep 0.05; done
  rm pid
}}
start() {{
  : >out # here, or what the last start said is found
  ( set -a; . etc/environment; set +a; exec cds-service serve ) >>out 2>>log &
  echo $! >pid
  until grep -q Discovery out; do is_there $! || {{ cat log >&2; exit 1; }}; sleep 0.05; done
}}
[ "$2" = cds-service ]
case "$1" in
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  reload) kill -HUP "$(cat pid)" ;;
esac
"""


class Machine:
    """Runs commands of the document; `settings` are those of the service."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.etc, self.var, self.backups = (folder / name for name in ("etc", "var", "backups"))
        self._bin = folder / "bin"
        for each in (self.etc, self.var, self.backups, self._bin):
            each.mkdir()
        systemctl = self._bin / "systemctl"
        systemctl.write_text(_SYSTEMCTL.format(folder=folder))
        systemctl.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = str(free.getsockname()[1])
        self.base = f"http://127.0.0.1:{self._port}"
        lines = {"CDS_PORT": self._port, "CDS_METRICS": "true", "CDS_DRAIN_SECONDS": "0"} | settings
        text = "".join(f"{name}={self.here(value)}\n" for name, value in lines.items())
        (self.etc / "environment").write_text(text)

    def here(self, text: str) -> str:
        """The text with the paths and the port of this machine."""
        for path, mine in zip(_FOLDERS, (self.etc, self.var, self.backups), strict=True):
            text = text.replace(path, str(mine))
        return text.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")

    def run(self, commands: str, **variables: str) -> str:
        """What the commands print; they must go well."""
        programs = [str(self._bin), str(Path(sys.executable).parent)]
        programs += map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:])
        own = {name: v for name, v in os.environ.items() if not name.startswith("CDS_")}
        done = subprocess.run(
            ["/usr/bin/env", "bash", "-c", f"set -euo pipefail\n{self.here(commands)}"],
            env=own | variables | {"PATH": ":".join([*programs, own["PATH"]])},
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def control(self, what: str) -> None:
        """systemctl."""
        self.run(f"systemctl {what} cds-service")

    def post(self, path: str, body: object, token: str = "") -> int:
        """The status of a call."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.post(self.base + path, json=body, headers=headers, timeout=30).status_code

    def setting(self, name: str) -> str:
        """What stands in the file of settings now."""
        lines = (self.etc / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)[name]


def stop_in(folder: Path) -> None:
    """End the service of the machine in this folder, if it runs."""
    if (folder / "pid").exists():
        subprocess.run([str(folder / "bin" / "systemctl"), "stop", "cds-service"], check=True)
