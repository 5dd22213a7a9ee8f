"""How many calls go through a deployment, and the table of limits and sizes in the docs."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from pathlib import Path

from scripts.operating.site import Hospital, Site, family
from tests.support.constants import ROOT

PAGE = ROOT / "docs" / "deploy.md"
FORMS = ((1, 1), (1, 2), (2, 1), (2, 2))
CALLERS = (1, 4, 16)
HEAD = (
    "| machines x workers | callers | calls and feedback per second | processors used "
    "| ms of processor each | p50, ms | p99, ms | failed | memory of a machine, MB |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def load(seconds: float, *, write: bool) -> bool:
    """Calls that go through, by number of instances and workers, with their tokens, over nginx."""
    well, rows = True, [HEAD]
    print(HEAD)
    for instances, workers in FORMS:
        with ExitStack() as stack:
            site = Site(stack)
            for _ in range(instances):
                site.instance(CDS_WORKERS=str(workers)).start()
            base = site.nginx()
            for callers in CALLERS:
                hospital = Hospital(base, site.authority)
                row = _measured(site, hospital, callers, seconds)
                rows.append(f"| {instances} x {workers} | {callers} | {row} |")
                print(rows[-1], flush=True)
                well &= not hospital.failed()
            well &= not site.lost(hospital)
    if write:
        _put_in(rows)
    return well


def _measured(site: Site, hospital: Hospital, callers: int, seconds: float) -> str:
    """The cells of one load."""
    hospital.pause = 0
    pids = [one.process.pid for one in site.instances]
    before = sum(map(cpu, pids))
    with hospital.calling(callers):
        time.sleep(seconds)
    spent, total = sum(map(cpu, pids)) - before, hospital.statuses.total()
    p50, p99 = hospital.quantile(0.5), hospital.quantile(0.99)
    memory = max(map(memory_of, pids))
    return (
        f"{total / seconds:.0f} | {spent / seconds:.1f} | {spent / total * 1000:.1f} | {p50:.0f} "
        f"| {p99:.0f} | {hospital.failed()} | {memory:.0f}"
    )


def _put_in(rows: list[str]) -> None:
    """Write the table into its page, between its two comments."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    where = f"{os.cpu_count()} processors ({model[1] if model else 'unknown'})"
    load_before = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    text = (
        f"{where}, shared with the callers, nginx and PostgreSQL; load of the machine at the end "
        f"{load_before} (1, 5, 15 minutes).\n\n" + "\n".join(rows)
    )
    page = PAGE.read_text()
    begin, end = "<!-- operate-drill load -->\n", "\n<!-- end of operate-drill load -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}{text}{end}{after}")


def cpu(pid: int) -> float:
    """Seconds of processor that a process and its living children have used."""
    found, tick = 0.0, os.sysconf("SC_CLK_TCK")
    for one in family(pid):
        values = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        found += (int(values[11]) + int(values[12])) / tick
    return found


def memory_of(pid: int) -> float:
    """Megabytes that a process and its children hold; what they share is counted once (PSS)."""
    found = 0
    for one in family(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        pss = re.search(r"^Pss: +(\d+) kB$", rollup, re.MULTILINE)
        found += int(pss[1]) if pss else 0
    return found / 1000
