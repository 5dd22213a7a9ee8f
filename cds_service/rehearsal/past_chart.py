"""The chart of one patient as it was at an event, as the prefetch that an EHR would have sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import Raw

from cds_service.clinical.chart import FhirDate
from cds_service.fhir.as_of import Timing, as_it_was, timing_of
from cds_service.fhir.elements import Doc, kind_of, type_and_id
from cds_service.fhir.inputs import INPUT_OF, LIST_OF
from cds_service.knowledge.names import InputName
from cds_service.rehearsal.events import PastEvent
from cds_service.rehearsal.options import AsOf, ReplayOptions

_BESIDE: Final = "beside"  # the prefetch key of what the resources of the inputs point to


@dataclass(slots=True)
class PastChart:
    """What was known at an event, each with its input. `undated` are positions in `known`; `late`
    what came after, by input, `late_conditions` the Conditions among it."""

    known: list[tuple[InputName | None, bytes]] = field(default_factory=list)
    undated: set[int] = field(default_factory=set)
    undated_refs: set[str] = field(default_factory=set)
    undated_by_input: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    late_conditions: list[Doc] = field(default_factory=list)

    def undated_may_decide(self, used: Collection[str]) -> bool:
        """Whether the answer may be another without the undated facts: one of them was used (`used`
        are the references of all facts of the chart), or a list would be empty without them."""
        if not self.undated_refs.isdisjoint(used):
            return True
        left = {name for n, (name, _) in enumerate(self.known) if n not in self.undated}
        return any(self.known[n][0] is None or self.known[n][0] not in left for n in self.undated)


class PatientRecord:
    """All resources of one patient, each encoded once for all of the events."""

    def __init__(self, docs: Sequence[Doc], options: ReplayOptions) -> None:
        self.docs = docs
        self._inputs = [INPUT_OF.get(kind_of(doc) or "") for doc in docs]
        self.options = options
        self.lists = frozenset(name for t in options.types if (name := LIST_OF.get(t)) is not None)
        self._zone = options.timezone
        self._encoded: dict[int, bytes] = {}

    def at(self, event: PastEvent) -> PastChart:
        """The chart as it was at an event, without the event itself."""
        chart = PastChart()
        own = {id(doc) for doc in (*event.docs, *event.beside)}
        moment = event.moment if self.options.as_of is AsOf.EVENT else None
        for doc, name in zip(self.docs, self._inputs, strict=True):
            if id(doc) not in own:
                self._take(doc, name, moment, chart)
        return chart

    def _take(
        self, doc: Doc, name: InputName | None, moment: FhirDate | None, chart: PastChart
    ) -> None:
        if moment is None:
            chart.known.append((name, self._bytes(doc)))
            return
        zone = self._zone
        timing = timing_of(doc, moment, zone)
        if timing is Timing.LATER:
            chart.late[str(name or _BESIDE)] += 1
            if name is InputName.CONDITIONS:
                chart.late_conditions.append(doc)
            return
        if timing is Timing.UNDATED:
            chart.undated.add(len(chart.known))
            chart.undated_refs.add(type_and_id(doc))
            chart.undated_by_input[str(name or _BESIDE)] += 1
        then = as_it_was(doc, moment, zone)
        chart.known.append((name, self._bytes(doc) if then is doc else msgspec.json.encode(then)))

    def _bytes(self, doc: Doc) -> bytes:
        found = self._encoded.get(id(doc))
        if found is None:
            found = self._encoded[id(doc)] = msgspec.json.encode(doc)
        return found

    def prefetch(self, chart: PastChart, *, without_undated: bool = False) -> dict[str, Raw]:
        """The prefetch of a chart: an empty Bundle for a list of which the patient has nothing, and
        no key where the export has no such list."""
        out: Collection[int] = chart.undated if without_undated else ()
        values: dict[str, list[bytes]] = defaultdict(list)
        for name in self.lists - {InputName.PATIENT}:
            values[str(name)] = []
        prefetch: dict[str, Raw] = {}
        for number, (asked, data) in enumerate(chart.known):
            if number in out:
                continue
            if asked is InputName.PATIENT:
                prefetch[str(asked)] = Raw(data)
            else:
                values[str(asked) if asked in self.lists else _BESIDE].append(data)
        return prefetch | {key: bundle_of(held) for key, held in values.items()}


def bundle_of(resources: Iterable[bytes], kind: str = "searchset") -> Raw:
    """A Bundle of resources that are JSON already."""
    entries = b",".join(b'{"resource":' + one + b"}" for one in resources)
    start = b'{"resourceType":"Bundle","type":"' + kind.encode()
    return Raw(start + b'","entry":[' + entries + b"]}")
