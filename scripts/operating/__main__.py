"""The parts of a deployment at work on this machine: PostgreSQL, two instances with two workers
each, nginx or Caddy of Debian with TLS and the files of deploy/, a registered client with signed
tokens.

  roll      both instances are restarted one after the other under load, with each proxy (--proxies,
            --rounds); each is stopped by SIGTERM, the next one as soon as the one before is ready.
            With --freeze proxy and instances stand still for three seconds while one ends
  upgrade   from 0.9.0 to this version and back under load, on one database, with nginx (--old)
  load      how many calls go through, by instances and workers; --write puts the table into
            docs/deploy.md
  figures   Prometheus with deploy/prometheus: each query of the dashboard is answered after faults
            were driven that fill it; its graph page is pictured into --picture
  alerts    Prometheus with the same rules and short times: each alert fires by its fault

Run it as `scripts/operate-drill WHAT`. It fails when a call failed, feedback was lost, a query was
empty or an alert did not fire. It needs packages of Debian: postgresql, nginx-light, caddy,
prometheus, openssl.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.operating import alerts, figures, load, rolling


def main() -> int:
    """Run one of the drills."""
    parser = argparse.ArgumentParser(
        prog="operate-drill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["roll", "upgrade", "load", "figures", "alerts"])
    parser.add_argument("--old", type=Path, help="a folder with a checkout of v0.9.0 (upgrade)")
    parser.add_argument("--proxies", nargs="+", default=["caddy", "nginx"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--freeze", action="store_true", help="stand still meanwhile (roll)")
    parser.add_argument("--seconds", type=float, default=10, help="of each load (load)")
    parser.add_argument("--write", action="store_true", help="the table into the docs (load)")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    if given.what == "upgrade" and given.old is None:
        parser.error(rolling.WHAT_UPGRADE_NEEDS)
    drills: dict[str, Callable[[], bool]] = {
        "roll": lambda: rolling.roll(given.proxies, given.rounds, freezes=given.freeze),
        "upgrade": lambda: rolling.upgrade(given.old),
        "load": lambda: load.load(given.seconds, write=given.write),
        "figures": lambda: figures.figures(given.picture),
        "alerts": alerts.alerts,
    }
    return 0 if drills[given.what]() else 1


if __name__ == "__main__":
    sys.exit(main())
