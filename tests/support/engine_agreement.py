"""Counts by rule where the service and the second engine agree, and explains where they do not."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

import yaml

from cds_service.knowledge.code_systems import canonical
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.exclusions import standing
from cds_service.knowledge.published.cql.libraries import cql
from tests.support.constants import ROOT
from tests.support.second_engine import SOURCES, Said
from tests.support.two_engines import Ours, Value, theirs

DIFFERENCES: Final = SOURCES / "differences.yaml"
_WORDS: Final[Mapping[str, Value]] = {"yes": True, "no": False, "unknown": None}
EQUAL, NOT_EXPORTED, OPEN = "equal", "not exported", "different"


@dataclass(frozen=True, slots=True)
class Difference:
    """A known reason for which the answers differ.

    `about` are patterns of rules, `ours` and `theirs` the answers (none: any), `where` the name of
    what has to be so for this patient, `why` the reason in words.
    """

    id: str
    about: tuple[str, ...]
    why: str
    where: str
    ours: tuple[Value, ...] = ()
    theirs: tuple[Value, ...] = ()
    cases: frozenset[str] = frozenset()  # of these only; empty: of all

    def explains(self, rule: str, ours: Value, theirs: Value, seen: Seen) -> bool:
        """Whether this is the reason."""
        return (
            any(fnmatchcase(rule, one) for one in self.about)
            and (not self.ours or ours in self.ours)
            and (not self.theirs or theirs in self.theirs)
            and (not self.cases or seen.ours.id in self.cases)
            and _WHERE[self.where](rule, seen)
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """One patient by both."""

    ours: Ours
    said: Said
    knowledge: Knowledge

    def define(self, library: str, name: str) -> Value:
        return self.said.defines[library].get(name)


@dataclass
class Line:
    """One rule: `kinds` counts equal, not exported, different, and each known reason; `holds` the
    patients for whom the service says yes."""

    rule: str
    holds: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    open: list[tuple[str, Value, Value]] = field(default_factory=list)

    @property
    def patients(self) -> int:
        return self.kinds.total()

    @property
    def explained(self) -> int:
        return self.patients - sum(self.kinds[one] for one in (EQUAL, NOT_EXPORTED, OPEN))


class Agreement:
    """All patients so far, by rule."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.lines: dict[str, Line] = {}
        self.patients = 0
        self.same = 0
        self.complaints: list[tuple[str, str]] = []
        self.unreadable: list[str] = []
        self.beside: Counter[str] = Counter()
        self._knowledge = knowledge
        self.known = tuple(differences())
        self._questions = {
            f"exclusion {one.rule}" for one in knowledge.once(cql).lost if one.how == "a question"
        }

    def add(self, ours: Ours, said: Said) -> None:
        """Count one patient; `beside` are the drafts where the service weighs no option."""
        seen, found = Seen(ours, said, self._knowledge), theirs(said, self._knowledge)
        kinds = set()
        for rule, value in ours.values.items():
            line = self.lines.setdefault(rule, Line(rule))
            kind = self._kind(rule, value, found, seen)
            kinds.add(kind)
            line.kinds[kind] += 1
            line.holds += value is True
            if kind == OPEN:
                line.open.append((ours.id, value, found[rule]))
        self.complaints += ((ours.id, one) for one in said.errors)
        self.beside.update(
            rule
            for rule, value in found.items()
            if value and rule.startswith("offer ") and rule not in ours.values
        )
        self.patients += 1
        self.same += kinds == {EQUAL}

    def _kind(self, rule: str, value: Value, found: Mapping[str, Value], seen: Seen) -> str:
        if rule not in found:
            return NOT_EXPORTED
        if found[rule] == value:
            return EQUAL
        if rule in self._questions and found[rule] is None:
            return A_QUESTION
        reasons = (d.id for d in self.known if d.explains(rule, value, found[rule], seen))
        return next(reasons, OPEN)

    @property
    def failed(self) -> bool:
        """Whether there was nobody, a difference without a reason, or a complaint of the engine."""
        return not self.patients or bool(self.unexplained or self.complaints)

    @property
    def never(self) -> list[str]:
        """The rules that hold for no patient: their equal answers show little."""
        return sorted(one.rule for one in self.lines.values() if not one.holds)

    @property
    def unexplained(self) -> list[Line]:
        return [one for one in self.lines.values() if one.open]

    def by_reason(self) -> Mapping[str, Counter[str]]:
        """Reason to rule to number of answers."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for line in self.lines.values():
            for kind, number in line.kinds.items():
                if kind not in (EQUAL, NOT_EXPORTED, OPEN):
                    found[kind][line.rule] += number
        return found


A_QUESTION: Final = "a-question"


def differences() -> Iterator[Difference]:
    """The known reasons of the file. Raises KeyError for a word that nobody knows."""
    for one in yaml.safe_load(DIFFERENCES.read_text("utf-8"))["differences"]:
        yield Difference(
            one["id"],
            tuple(one["about"]),
            one["why"],
            one["where"],
            tuple(_WORDS[word] for word in one.get("ours", ())),
            tuple(_WORDS[word] for word in one.get("theirs", ())),
            frozenset(one.get("cases", ())),
        )
        if one["where"] not in _WHERE:
            raise KeyError(one["where"])


# --- what has to be so for a patient ---


def _asks_first(rule: str, seen: Seen) -> bool:
    """Something is unknown that would rule the option out, or prophylaxis may be there."""
    if seen.define("HOExclusions", "Prophylaxis may be there"):
        return True
    regimens, drug = seen.knowledge.regimens, rule.removeprefix("offer ")
    names = (
        name
        for name in standing(seen.knowledge)
        if drug in (name, regimens[name].drug if name in regimens else name)
    )
    return all(seen.define("HOExclusions", f"{name} may be drafted") is not True for name in names)


def _in_words(rule: str, seen: Seen) -> bool:
    """The chart or an order says it in words, or in codes that nobody knows."""
    chart = seen.ours.chart
    orders = (*seen.ours.orders, *chart.planned)
    told = any(one.mentions or one.unidentified or one.says_intramuscular for one in orders)
    family = any(one.named for one in chart.family)
    strange = chart.unidentified or chart.not_understood
    return bool(chart.mentions or strange or family or told)


def _codings(seen: Seen) -> Iterator[Mapping[str, str]]:
    waiting: list[object] = [seen.ours.call]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("system"), str) and isinstance(one.get("code"), str):
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _other_system(rule: str, seen: Seen) -> bool:
    """A code system has another name than in the value sets."""
    names = (canonical(one["system"]) for one in _codings(seen))
    systems = (one["system"] for one in _codings(seen))
    return any(name != system for name, system in zip(names, systems, strict=True))


def _expression(rule: str, seen: Seen) -> bool:
    """A code is an expression of several codes."""
    return any("|" in one["code"] for one in _codings(seen))


def _two_days(rule: str, seen: Seen) -> bool:
    """Both hips on two days, which is no one session here."""
    name = "one-stage-bilateral"
    mine = seen.ours.values.get(f"factor {name}")
    return mine is False and seen.define("HOFactors", name) is True


def _several_kinds(rule: str, seen: Seen) -> bool:
    """One order is of several kinds."""
    kinds = sum(v is True for name, v in seen.ours.values.items() if name.startswith("order "))
    return kinds > 1


def _said(word: str) -> Callable[[str, Seen], bool]:
    return lambda _, seen: word in json.dumps(seen.ours.call)


def _asks_fop(rule: str, seen: Seen) -> bool:
    """The plan asks about every draft."""
    return "row-fop-not-understood" in seen.said.actions


def _may_be_there(rule: str, seen: Seen) -> bool:
    """The plan asks whether prophylaxis is there."""
    return seen.define("HOExclusions", "Prophylaxis may be there") is True


def _only_asked(rule: str, seen: Seen) -> bool:
    """A rule that rules an option out here is a question there."""
    asked = (one for one in seen.knowledge.once(cql).lost if one.how == "a question")
    return any(
        seen.ours.values.get(f"exclusion {one.rule}") is True
        and seen.define("HOExclusions", one.rule) is None
        for one in asked
    )


def _unread(rule: str, seen: Seen) -> bool:
    """A list was not read whole."""
    return not all(one.known for one in seen.ours.chart.inputs)


def _another_type(rule: str, seen: Seen) -> bool:
    """A draft is no ServiceRequest and no MedicationRequest."""
    types = {one.resource_type for one in seen.ours.orders}
    return not types <= {"ServiceRequest", "MedicationRequest"}


def _rows(*rows: str) -> Callable[[str, Seen], bool]:
    return lambda _, seen: bool(seen.ours.rows & {*rows})


def _value(name: str) -> Callable[[str, Seen], bool]:
    return lambda _, seen: bool(seen.ours.values.get(name))


_WHERE: Final[Mapping[str, Callable[[str, Seen], bool]]] = {
    "always": lambda _, seen: True,
    "no problem list was sent": lambda _, seen: (
        seen.ours.call["prefetch"].get("conditions") is None
    ),
    "fop": _value("genetic fop"),
    "another name of a code system": _other_system,
    "an expression of codes": _expression,
    "a modifierExtension": _said('"modifierExtension"'),
    "a coded result": _said('"valueCodeableConcept"'),
    "the gene in words": _said("CYP2C9"),
    "a dosage in words": _said('"dosageInstruction": [{"text"'),
    "several kinds": _several_kinds,
    "two days": _two_days,
    "the plan asks about every draft": _asks_fop,
    "prophylaxis may be there": _may_be_there,
    "an exclusion is a question there": _only_asked,
    "a reason by reference": lambda _, seen: (
        _said("reasonReference")(_, seen) or _said("supportingInfo")(_, seen)
    ),
    "row 9": _rows("9"),
    "row 12h": _rows("12h"),
    "row 9q": _rows("9q"),
    "a draft of another type": _another_type,
    "prophylaxis is there": _rows("6", "6c", "6u"),
    "it asks first": _asks_first,
    "in words": _in_words,
    "a list was not read": _unread,
}


def table(lines: Iterable[Line]) -> Iterator[str]:
    """Lines of text: rule, patients, yes of ours, equal, not exported, explained, different."""
    head = ("rule", "patients", "ours yes", "equal", "not exported", "explained", "different")
    yield f"{head[0]:52}" + "".join(f"{one:>13}" for one in head[1:])
    for one in sorted(lines, key=lambda line: line.rule):
        counts = (one.patients, one.holds, one.kinds[EQUAL], one.kinds[NOT_EXPORTED],
                  one.explained, one.kinds[OPEN])  # fmt: skip
        yield f"{one.rule:52}" + "".join(f"{number:13}" for number in counts)


def spare(found: Agreement) -> Iterator[str]:
    """Sentences about what the table does not show."""
    if found.never:
        yield f"No patient has a yes of the service for: {', '.join(found.never)}."
    if found.beside:
        drafts = ", ".join(f"{rule} ({number})" for rule, number in found.beside.most_common())
        yield f"Drafts of the plan where the service weighs no option, not compared: {drafts}."
    if unused := sorted({one.id for one in found.known} - {*found.by_reason()}):
        yield f"Reasons that no answer needed: {', '.join(unused)}."
    for patient, complaint in found.complaints:
        yield f"The engine complains of {patient}: {complaint}"


def page(found: Agreement) -> str:
    """The agreement as Markdown: the reasons, then every rule."""
    lines = sorted(found.lines.values(), key=lambda one: one.rule)
    answers = sum(one.patients for one in lines)
    equal = sum(one.kinds[EQUAL] for one in lines)
    lost = sum(one.kinds[NOT_EXPORTED] for one in lines)
    unexplained = sum(one.kinds[OPEN] for one in lines)
    rest = answers - equal - lost - unexplained
    made = [
        f"{found.patients} patients, {found.same} of them with every answer equal. Of {answers:,}"
        f" answers {equal:,} are equal, {lost} are about cards that are not exported, {rest:,}"
        f" differ for a known reason, {unexplained} without one."
        f" {len(found.unreadable)} cases hold a resource that the engine's FHIR reader refuses.",
        "",
        "| reason | answers | rules | why |",
        "|---|---|---|---|",
    ]
    why = {one.id: " ".join(one.why.split()) for one in found.known}
    why[A_QUESTION] = "CQL cannot say all of it: a question, as the package lists it."
    for reason, rules in sorted(found.by_reason().items()):
        named = ", ".join(f"`{rule}`" for rule in sorted(rules))
        made.append(f"| {reason} | {rules.total()} | {named} | {why[reason]} |")
    made += ["", *(line for text in spare(found) for line in (text, ""))]
    made.append("| rule | patients | ours yes | equal | not exported | explained | different |")
    made.append("|---|---|---|---|---|---|---|")
    for one in lines:
        counts = (one.patients, one.holds, one.kinds[EQUAL], one.kinds[NOT_EXPORTED],
                  one.explained, one.kinds[OPEN])  # fmt: skip
        made.append(f"| `{one.rule}` | " + " | ".join(str(number) for number in counts) + " |")
    return "\n".join(made)


def write_section(name: str, text: str) -> None:
    """Replace what stands between the marks of a section of docs/second-engine.md."""
    path = ROOT / "docs" / "second-engine.md"
    before, start, rest = path.read_text("utf-8").partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not (start and end):
        raise ValueError(f"no section {name}")
    path.write_text(f"{before}{start}{text}\n{end}{after}", "utf-8")
