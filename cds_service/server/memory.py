"""Tunes the garbage collector to a service that keeps much and leaves few cycles behind."""

from __future__ import annotations

import gc

_THRESHOLDS = (20_000, 20, 20)


def settle() -> None:
    """Spare the collector what has been built by now: code and knowledge are some 300,000 objects
    that stay for good. Afterwards it runs seldom, because a call leaves hardly any cycles.

    Small calls were not seen to gain by it; a large chart makes enough objects to set the
    collector off.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
