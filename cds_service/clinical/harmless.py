"""Tells whether an order is known to be harmless for any patient, also for one with FOP.

Pure, and independent of the chart: where it says yes, no question about genetic HO can arise from
this order, so the same answer also serves to pass an order over early.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.clinical.chart import CodeSeen, DraftOrder, OrderSaid, Stated
from cds_service.clinical.code_selection import any_holds, selected, words_of
from cds_service.clinical.harm import names_harm
from cds_service.clinical.order_words import is_medicine, names
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import MODIFIER
from cds_service.knowledge.order_schema import HarmlessOrder, NeverHarmless


def known_harmless(order: DraftOrder, knowledge: Knowledge) -> bool:
    """Whether the list of the knowledge says that this order needs no cut, no needle into muscle
    and no stretching. What is not on the list is not known, and so not harmless; nor is what has
    a code of the list and words of a harm ("office visit, excision of a naevus")."""
    odd = order.intramuscular or order.says_intramuscular or MODIFIER in order.said.members
    if odd or not knowledge.once(HarmlessList).holds(order):
        return False
    return is_medicine(order) or not names_harm(order, knowledge)


class HarmlessList:
    """The list of one content, made ready."""

    def __init__(self, knowledge: Knowledge) -> None:
        rules = [rule for rule in knowledge.harmless.values() if rule.enabled]
        self._never = [_Never(rule) for rule in knowledge.never.values() if rule.enabled]
        self._index = knowledge.index
        self._codes = selected(one for rule in rules for one in rule.codes)
        self._sets = frozenset(name for rule in rules for name in rule.value_sets)
        self._resources = [rule for rule in rules if rule.resources]
        self._routes = selected(one for rule in rules for one in rule.routes)
        self._forms = selected(one for rule in rules for one in rule.forms)
        self._route_words = words_of(w for rule in rules for w in rule.route_words)
        self._form_words = words_of(w for rule in rules for w in rule.form_words)

    def holds(self, order: DraftOrder) -> bool:
        """Whether the order is on the list, and nothing of it is on the other one."""
        if any(never.holds(order) for never in self._never):
            return False
        said = order.said
        if any(_is_resource(order, rule) for rule in self._resources):
            return True
        return self._medicine(said) if is_medicine(order) else self._coded(said)

    def _coded(self, said: OrderSaid) -> bool:
        """Each element that has a code must be harmless by itself."""
        return bool(said.elements) and all(
            any_holds(self._codes, element) or self._in_value_set(element)
            for element in said.elements
        )

    def _in_value_set(self, element: Iterable[CodeSeen]) -> bool:
        matches = (self._index.match(coding.system, coding.code) for coding in element)
        return any(m is not None and not m.concepts.isdisjoint(self._sets) for m in matches)

    def _medicine(self, said: OrderSaid) -> bool:
        """By its routes; without any by its form, or by the words of its dosage and its name."""
        if said.routes:
            return all(self._harmless_route(route) for route in said.routes)
        if any(any_holds(self._forms, form.codings) for form in said.forms):
            return True
        told = (*said.names, *self._known_names(said), *(w for f in said.forms for w in f.words))
        return names(self._route_words, said.instructions) or names(
            self._form_words, (*told, *said.instructions)
        )

    def _known_names(self, said: OrderSaid) -> Iterator[str]:
        """The names that the value sets give to the codes: "Oral Capsule" needs no route."""
        for element in said.elements:
            for coding in element:
                match = self._index.match(coding.system, coding.code)
                if match is not None:
                    yield match.display

    def _harmless_route(self, route: Stated) -> bool:
        return any_holds(self._routes, route.codings) or names(
            self._route_words,
            (*route.words, *(c.code or "" for c in route.codings if not c.system)),
        )


class _Never:
    """One entry of what is never harmless, made ready."""

    def __init__(self, rule: NeverHarmless) -> None:
        self._codes = selected(rule.codes)
        self._resources = frozenset(rule.resources)
        self._words = words_of(rule.words)
        self._name_words = words_of(rule.name_words)
        self._order_words = words_of(rule.order_words)
        self._line_words = words_of(rule.line_words)
        self._routes = selected(rule.unless_routes)
        self._route_words = words_of(rule.unless_route_words)
        self._unless = words_of(rule.unless_words)

    def holds(self, order: DraftOrder) -> bool:
        return self._fits(order) and not self._excepted(order)

    def _fits(self, order: DraftOrder) -> bool:
        said = order.said
        if order.resource_type in self._resources:
            return True
        if any(any_holds(self._codes, element) for element in said.elements):
            return True
        if names(self._words, told_by(order)) or names(self._name_words, said.names):
            return True
        if names(self._line_words, (*said.names, *said.instructions, *said.notes)):
            return True
        return not is_medicine(order) and names(self._order_words, told_by(order))

    def _excepted(self, order: DraftOrder) -> bool:
        """By every stated route; a medicine without any by the words of its dosage or form."""
        said = order.said
        if said.routes:
            return all(
                any_holds(self._routes, route.codings) or names(self._route_words, route.words)
                for route in said.routes
            )
        if not is_medicine(order):
            return False
        if names(self._route_words, said.instructions):
            return True
        forms = (word for form in said.forms for word in form.words)
        told = " ".join((*said.names, *forms, *said.instructions))
        return self._unless is not None and names(self._unless, (told,))


def told_by(order: DraftOrder) -> tuple[str, ...]:
    """The words of an order that say what it is and how it is given. The instructions of a
    medicine count only where no route is stated, its notes never."""
    said = order.said
    routes = tuple(word for route in said.routes for word in route.words)
    if not is_medicine(order):
        return (*said.names, *routes, *said.instructions, *said.notes)
    return (*said.names, *routes, *(() if said.routes else said.instructions))


def _is_resource(order: DraftOrder, rule: HarmlessOrder) -> bool:
    members = order.said.members
    return (
        order.resource_type in rule.resources
        and (not rule.with_any or not members.isdisjoint(rule.with_any))
        and members.isdisjoint(rule.without)
    )
