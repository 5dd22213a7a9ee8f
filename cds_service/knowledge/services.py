"""Which services an id in a URL stands for: that of discovery on its hooks, and an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cds_service.errors import Mistake, UnknownService, WrongHook
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.schema import HookService

if TYPE_CHECKING:
    from cds_service.knowledge.checks import Placed


def listed_id(service: HookService) -> str:
    """The id in discovery. CDS Hooks 2.0 "Discovery" allows one id on several hooks: that says that
    the answer of a later hook replaces that of an earlier one."""
    return service.listed_as or service.id


def served(knowledge: Knowledge) -> Mapping[str, tuple[HookService, ...]]:
    """The services by every id that is answered: those of discovery first."""
    return knowledge.once(_served)


def _served(knowledge: Knowledge) -> Mapping[str, tuple[HookService, ...]]:
    found: dict[str, tuple[HookService, ...]] = {}
    for service in knowledge.services.values():
        found[listed_id(service)] = (*found.get(listed_id(service), ()), service)
    return found | {s.id: (s,) for s in knowledge.services.values() if s.id not in found}


def find(service_id: str, knowledge: Knowledge) -> tuple[HookService, ...]:
    """The services under this id, one a hook. Raises UnknownService."""
    found = served(knowledge).get(service_id)
    if found is None:
        raise UnknownService("there is no service of this id; see /cds-services", "id")
    return found


def answering(service_id: str, hook: str, knowledge: Knowledge) -> HookService | None:
    """The service of this id that answers a hook, if there is one."""
    return knowledge.once(_answering).get((service_id, hook))


def _answering(knowledge: Knowledge) -> Mapping[tuple[str, str], HookService]:
    ids = _served(knowledge).items()
    return {(id_, service.hook): service for id_, services in ids for service in services}


def called(service_id: str | None, hook: str, knowledge: Knowledge) -> HookService:
    """The service that is called; without id the first that answers this hook (HK-01).

    Raises UnknownService, or WrongHook.
    """
    asked = find(service_id, knowledge) if service_id else knowledge.services.values()
    service = next((s for s in asked if s.hook == hook), None)
    if service is None:
        hooks = ", ".join(s.hook for s in asked)
        raise WrongHook(f"this service answers {hooks} only", "hook")
    return service


def repeated(placed: Sequence[Placed]) -> Iterator[Mistake]:
    """Services that stand under one id for one hook, or under the id of another: a call could mean
    either of them (DS-12)."""
    services = [one for one in placed if isinstance(one.item, HookService)]
    own = {one.item.id for one in services}
    pairs: set[tuple[str, str]] = set()
    for one in services:
        pair = (listed_id(one.item), one.item.hook)
        if one.item.listed_as in own:
            reason = "listed_as is the id of a service of its own"
            yield one.mistake(("listed_as",), reason, "choose an id that no service has")
        elif pair in pairs:
            reason = f"another service is listed under '{pair[0]}' for the hook '{pair[1]}'"
            yield one.mistake(("hook",), reason, "list it under another id")
        pairs.add(pair)
