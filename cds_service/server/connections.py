"""Counts the connections of one worker, as a whole and by address, with a reserve for health."""

from __future__ import annotations

import ipaddress
from collections import Counter
from enum import Enum

RESERVE = 32
"""Connections beyond the bound: health and figures are answered on them, all else gets 503."""

_RESERVE_OF_ONE = 8  # so that one address cannot take the reserve, too


class Place(Enum):
    """What a new connection gets."""

    FULL = "any request"
    RESERVED = "health only"
    NONE = "nothing"


class Places:
    """Who has how many connections."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = min(most_of_one, most)
        self._all: Counter[Place] = Counter()
        self._of: Counter[tuple[str, Place]] = Counter()

    def take(self, who: str) -> Place:
        """A place for a connection from this address."""
        if self._all[Place.FULL] < self._most and self._has_less(who, Place.FULL):
            place = Place.FULL
        elif self._all[Place.RESERVED] < RESERVE and self._has_less(who, Place.RESERVED):
            place = Place.RESERVED
        else:
            return Place.NONE
        self._all[place] += 1
        self._of[who, place] += 1
        return place

    def leave(self, who: str, place: Place) -> None:
        """Give the place back."""
        if place is not Place.NONE:
            self._all[place] -= 1
            self._of[who, place] -= 1
            if not self._of[who, place]:
                del self._of[who, place]

    def _has_less(self, who: str, place: Place) -> bool:
        most = self._most_of_one if place is Place.FULL else _RESERVE_OF_ONE
        return self._of[who, place] < most


def who_is(host: str | None) -> str:
    """What counts as one address: of IPv6 the network, because one host may use all of its /64."""
    if not host or ":" not in host:
        return host or "local"
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
