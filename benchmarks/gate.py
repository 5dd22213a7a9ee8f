"""Compares the instructions of small calls with what is written down: `scripts/bench --gate`.

`--update` writes them down anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import callgrind
from benchmarks.instructions import SMALL, ratios

KEPT = Path(__file__).parent / "instructions.json"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TOLERANCE = 0.10


def main(update: bool) -> int:
    """0 where no call has become dearer, measured in calls of the control, by a tenth."""
    if (why := callgrind.lacking()) is not None:
        print(f"bench --gate: skipped, {why}")
        return 0
    known: dict[str, dict[str, float]] = json.loads(KEPT.read_text(encoding="utf-8"))
    if not update and VERSION not in known:
        print(f"bench --gate: skipped, no ratios for Python {VERSION} in {KEPT.name} (--update)")
        return 0
    found = ratios(SMALL)
    before = known.setdefault(VERSION, {})
    worse = []
    for case, ratio in found.items():
        was = before.get(case, ratio)
        print(f"{case}: control / ours {ratio:.3f} instructions, kept {was:.3f}")
        if ratio < was * (1 - TOLERANCE):
            worse.append(case)
        before[case] = round(ratio, 3)
    if update:
        KEPT.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    if worse:
        print(f"dearer by more than {TOLERANCE:.0%}: {', '.join(worse)}. If this is wanted, run")
        print(f"scripts/bench --gate --update, commit {KEPT.name} and say why.")
    return bool(worse)


if __name__ == "__main__":
    sys.exit(main("--update" in sys.argv))
