"""Every alert fired by its fault, on a live Prometheus with short times."""

from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack

import yaml

from scripts.operating.site import DEPLOY, Site
from scripts.operating.watching import Faults, alerts_of, prometheus_of

_MOST_SECONDS = 600
_SHORT = {"5m": "15s", "10m": "15s", "1h": "30s", "1d": "30s"}
_AGO = "45s"  # for "yesterday" and "14 days ago"
_DRIVEN = {
    "CdsErrors": "too many calls at once, and large ones, get 503",
    "CdsSlow": "a FHIR server that takes connections and never answers",
    "CdsGaveUp": "a large chart, 50 ms",
    "CdsOverloaded": "6 callers, 4 places",
    "CdsClientRefused": "3 callers of a client with one place",
    "CdsTokensRefused": "calls with a token that is none",
    "CdsNotUnderstood": "conditions in an unknown system",
    "CdsInputsFail": "a FHIR server that is not there",
    "CdsRecordsLost": "no database, until the queue of 10,000 cards is full",
    "CdsAuditLost": "a log on /dev/full, until the queue of 10,000 lines is full",
    "CdsTracesLost": "nobody takes the traces",
    "CdsStuckInShadow": f"a client in shadow, now and {_AGO} ago",
}
"""What fires while all faults are driven at once."""


def shortened(rules: str) -> str:
    """The rules with seconds for minutes, hours and days; thresholds stay."""
    text = re.sub(r"for: \w+", "for: 2s", rules)
    text = re.sub(r"\[(\w+)\]", lambda found: f"[{_SHORT[found[1]]}]", text)
    return re.sub(r"offset \w+", f"offset {_AGO}", text)


def alerts() -> bool:
    """Drive each fault until its alert fires; whether all did."""
    with ExitStack() as stack:
        site = Site(stack)
        faults = Faults(site)
        watch = Watch(prometheus_of(site, shortened))
        well = faults.well
        with faults.driven():
            for name, fault in _DRIVEN.items():
                watch.wait(name, fault)
            well.process.send_signal(signal.SIGUSR1)
            watch.wait("CdsSwitchedOff", "SIGUSR1")
            well.process.send_signal(signal.SIGUSR2)
        with faults.quiet():
            watch.wait("CdsSilent", "calls in which no order is looked at")
        watch.wait("CdsNoCalls", "no call any more")
        well.stop()
        watch.wait("CdsDown", "a machine is stopped")
    known = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    names = {rule["alert"] for group in known["groups"] for rule in group["rules"]}
    missing = names - watch.fired
    print(f"{len(watch.fired)} of {len(names)} alerts fired; missing: {sorted(missing) or 'none'}")
    return not missing


class Watch:
    """What fires."""

    def __init__(self, prometheus: str) -> None:
        self._prometheus, self._began = prometheus, time.monotonic()
        self.fired: set[str] = set()

    def wait(self, name: str, fault: str) -> None:
        """Until an alert has fired at some time, some minutes at most."""
        last = time.monotonic() + _MOST_SECONDS
        while name not in self.fired and time.monotonic() < last:
            states = alerts_of(self._prometheus)
            self.fired |= {one for one, state in states.items() if state == "firing"}
            time.sleep(0.5)
        told = "fired" if name in self.fired else "DID NOT FIRE"
        print(f"  {time.monotonic() - self._began:4.0f} s {name} {told}: {fault}", flush=True)
