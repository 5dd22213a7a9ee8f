"""Patients with hip orders: the history before, the operation, and what came after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Final

from cds_service.tools.synthetic import resources
from cds_service.tools.synthetic.catalogue import LEFT, RIGHT, Catalogue, Piece, catalogue
from cds_service.tools.synthetic.population.history import History
from cds_service.tools.synthetic.population.wish import PopulationWish, book_of_populations
from cds_service.tools.synthetic.resources import Maker, Resource
from cds_service.tools.synthetic.stories import Story, choose
from cds_service.tools.synthetic.truth import Expected, Truth

# An earlier operation that is a hip operation itself, and so an event of its own.
_EARLIER_HIPS: Final = frozenset({"hip-operated-before", "other-hip-operated-before"})
# Excisions of heterotopic bone are events of their own, and so is every order beside what may be
# genetic HO: those patients are made in `genetic`.
_TOLD_ELSEWHERE: Final = frozenset(
    {"ho-excised", "ho-excision-planned", "php", "pseudohypoparathyroidism", "fop-refuted"}
)
# Facts that weigh the same for years; those of a window are told in stories of a single day.
_PASSING: Final = frozenset({"acetabulum-recent", *_EARLIER_HIPS, *_TOLD_ELSEWHERE})
_OF_A_SIDE: Final = frozenset({"operated", "other"})
_SHOWN: Final = ("factors", "weightless", "exclusions", "prophylaxis", "hints")
_PLAIN_AGE: Final = 60
_PRIMARY: Final = ("total", "total-site", "total-cemented")


def hip_patient(number: int, patient_id: str, wish: PopulationWish, rng: Random) -> History:
    """One patient with one or more hip orders: plain, with lasting risks, or one of the stories."""
    book = catalogue()
    span = (wish.until - wish.since).days
    day = wish.since + timedelta(days=rng.randrange(span))
    drawn = rng.random()
    if drawn < 0.35:
        return _story_of_a_day(number, patient_id, wish, rng, book, day)
    history = person(number, patient_id, wish, rng, day, rng.randint(56, 64))
    if drawn < 0.38:
        _local(history, book, rng)
    else:
        _course(history, book, rng, risky=drawn < 0.65)
    fill(history, rng.randint(8, 30))
    return history


def person(
    number: int, patient_id: str, wish: PopulationWish, rng: Random, day: date, age: int,
    sex: str | None = None, side: str | None = None,
) -> History:  # fmt: skip
    """A patient of this age on the day of the first order, without a history as yet."""
    habits = wish.habits[number % len(wish.habits)]
    maker = Maker(patient_id, day, habits, rng, side or rng.choice((RIGHT, LEFT)))
    person = resources.patient(maker, sex or rng.choice(("female", "male")), age, number)
    return History(maker, person, wish, f"Practitioner/surgeon-{rng.randrange(wish.surgeons)}")


# --- orders and operations ---


def sign(history: History, trigger: Piece, beside: Iterable[Resource] = (), *,
         offers: bool = False) -> list[Resource]:  # fmt: skip
    """The orders of a trigger, signed today with what was drafted beside them."""
    maker = history.maker
    orders = order(history, trigger)
    done(history, [*orders, *beside])
    history.event("order", maker.today, orders, trigger, offers=offers)
    return orders


def order(history: History, trigger: Piece) -> list[Resource]:
    """The orders of a trigger as they stand in the record."""
    choices = {habit: trigger.more[habit] for habit in ("us", "uk") if habit in trigger.more}
    return [history.add(r) for r in resources.orders(history.maker, trigger.more, choices)]


def done(history: History, orders: Iterable[Resource]) -> None:
    """What was a draft then is completed now; the newest are active still."""
    maker = history.maker
    old = maker.today < history.wish.until - timedelta(days=30)
    written = maker.rng.choice(("", "T09:12:00Z", "T10:40:00+01:00"))
    for resource in orders:
        resource["status"] = "completed" if old else "active"
        resource["authoredOn"] = maker.today.isoformat() + written
        resource["requester"] = {"reference": history.surgeon}


def operate(
    history: History, trigger: Piece, orders: Sequence[Resource], *, named: bool = False
) -> None:
    """The operation, today, as a Procedure; with its order on record it is no event of its own.

    `named`: it says itself which order it carries out.
    """
    sides = (RIGHT, LEFT) if trigger.more.get("both") else (history.maker.side,)
    done_today = [_procedure(history, trigger, side) for side in sides]
    for resource in done_today:
        resource["performer"] = [{"actor": {"reference": history.surgeon}}]
        if named and orders:
            resource["basedOn"] = [{"reference": f"ServiceRequest/{orders[-1]['id']}"}]
    if orders:
        names = [f"Procedure/{resource['id']}" for resource in done_today]
        history.operations |= {f"ServiceRequest/{one['id']}": names for one in orders}
    else:
        history.event("procedure", history.maker.today, done_today, trigger)


def _procedure(history: History, trigger: Piece, side: str | None) -> Resource:
    choices = {habit: trigger.more[habit] for habit in ("us", "uk") if habit in trigger.more}
    part = {"procedure": choices, "ago": [0, 0]}
    return history.add(resources.procedure(history.maker, part, side))


# --- stories of a single day ---


def _story_of_a_day(
    number: int, patient_id: str, wish: PopulationWish, rng: Random, book: Catalogue, day: date
) -> History:
    """A story of the catalogue, told on the day of the order; the operation follows within days."""
    story = _hip_story(book, rng, wish.lacking)
    history = person(number, patient_id, wish, rng, day, story.age, story.sex, story.side)
    signed = []
    for piece in story.pieces:
        signed += history.plant(piece, side_of(piece, story.side))
    normal_results(history)
    orders = sign(history, story.trigger, signed, offers=not wish.lacking)
    drafted = any(piece.section == "prophylaxis" for piece in story.pieces)
    history.maker.today = day + timedelta(days=rng.randint(1, 2))
    # Whether a finished prescription still counted on the day of the operation is not certain.
    if not drafted and not signed and history.maker.today <= wish.until:
        operate(history, story.trigger, orders)
        _complications(history, rng)
    _earlier_hip(history, story, book)
    history.maker.today = day
    fill(history, rng.randint(8, 30))
    return history


def _hip_story(book: Catalogue, rng: Random, lacking: frozenset[str]) -> Story:
    """A story about a hip whose pieces leave no doubt about what was on record when."""
    shown = [piece for name in _SHOWN for piece in book.sections[name]]
    leads = [p for p in (*shown, *_hip_triggers(book)) if _may_lead(p, book, lacking)]
    lead = rng.choice(leads)
    while True:
        story = choose(book.all().index(lead), book, rng)
        others = [piece for piece in story.pieces if piece is not lead]
        hip = story.trigger.more["kind"] == "arthroplasty"
        if lead.id in _EARLIER_HIPS:  # alone: nothing else is dated from that day on
            return Story(lead, story.trigger, (lead,), story.sex, _PLAIN_AGE, story.side)
        if hip and all(p.id not in _EARLIER_HIPS and _clear(p, lacking) for p in others):
            return story


def _may_lead(piece: Piece, book: Catalogue, lacking: frozenset[str]) -> bool:
    trigger = piece.more.get("trigger")
    about_hips = trigger is None or any(t.id == trigger for t in _hip_triggers(book))
    return about_hips and _clear(piece, lacking)


def _clear(piece: Piece, lacking: frozenset[str]) -> bool:
    """Whether it is certain what follows: what bears on an option is not, where a type lacks."""
    unsure = lacking and piece.section in {"exclusions", "prophylaxis"}
    return piece.section != "genetic" and piece.id not in _TOLD_ELSEWHERE and not unsure


def _hip_triggers(book: Catalogue) -> list[Piece]:
    return [t for t in book.sections["triggers"] if t.more["kind"] == "arthroplasty"]


def side_of(piece: Piece, side: str) -> str | None:
    """The side on which a piece is planted, None where it names none."""
    if piece.side is None:
        return None
    return side if piece.side == "operated" else LEFT if side == RIGHT else RIGHT


def _earlier_hip(history: History, story: Story, book: Catalogue) -> None:
    """The operation that an earlier-hip piece planted is an event, too, of a day long ago."""
    for resource in list(history.resources):
        if story.lead.id in _EARLIER_HIPS and resource["resourceType"] == "Procedure":
            day = date.fromisoformat(resource["performedDateTime"])
            if day < history.maker.today - timedelta(days=1000):
                resource["performer"] = [{"actor": {"reference": history.surgeon}}]
                trigger = next(t for t in _hip_triggers(book) if t.id == "resurfacing")
                # On that day the operation itself was not yet history.
                told = [fact for fact in history.facts if fact[0] is not story.lead]
                history.facts, kept = told, history.facts
                history.event("procedure", day, [resource], trigger)
                history.facts = kept


# --- courses of years ---


def _course(history: History, book: Catalogue, rng: Random, *, risky: bool) -> None:
    """Orders, operations and a second hip over the years, with facts that last."""
    lasting = [p for p in (*book.sections["factors"], *book.sections["weightless"]) if _lasts(p)]
    sexed = {"male": "female", "female": "male"}[str(history.person["gender"])]
    fitting = [p for p in lasting if p.sex != sexed]
    if risky:
        history.plant(rng.choice(fitting))
    normal_results(history)
    if rng.random() < 0.15:
        history.plant_undated(rng.choice([p for p in fitting if _goes_with_any(p)]))
    if rng.random() < 0.10:
        piece = rng.choice([p for p in fitting if _goes_with_any(p)])
        told = history.maker.today + timedelta(days=rng.randint(100, 900))
        if told <= history.wish.until:
            history.plant_told_late(piece, told)
    trigger = rng.choice([t for t in _hip_triggers(book) if not t.more.get("both")])
    _ordered_and_done(history, trigger, rng)
    history.maker.today += timedelta(days=rng.randint(400, 900))
    if rng.random() < 0.15 and history.maker.today <= history.wish.until:
        history.maker.side = LEFT if history.maker.side == RIGHT else RIGHT
        primary = [t for t in _hip_triggers(book) if t.id in _PRIMARY]
        _ordered_and_done(history, rng.choice(primary), rng)


def _lasts(piece: Piece) -> bool:
    return piece.id not in _PASSING and piece.side not in _OF_A_SIDE and not piece.age


def _goes_with_any(piece: Piece) -> bool:
    """One diagnosis that is of no class, and so never one fact with another piece."""
    kinds = [set(part) & {"condition", "procedure"} for part in piece.parts]
    return kinds == [{"condition"}] and piece.class_ is None


def _ordered_and_done(history: History, trigger: Piece, rng: Random) -> None:
    """An order, sometimes written twice, sometimes without; an operation weeks later."""
    drawn, until = rng.random(), history.wish.until
    orders: list[Resource] = []
    if drawn > 0.1:
        orders = sign(history, trigger)
    if drawn > 0.92:
        history.maker.today += timedelta(days=rng.randint(3, 80))
        if history.maker.today > until:
            return
        orders = sign(history, trigger)
    history.maker.today += timedelta(days=rng.randint(10, 60))
    if history.maker.today <= until:
        operate(history, trigger, orders, named=rng.random() < 0.5)
        _complications(history, rng)


def _complications(history: History, rng: Random) -> None:
    """What was coded after an operation, and must not count before."""
    today = history.maker.today
    risky = any(piece.effect.tier != "none" for piece, _ in history.facts)
    if rng.random() < (0.25 if risky else 0.04):
        _later(history, "factors", "ho-thigh", today + timedelta(days=rng.randint(60, 700)))
    if rng.random() < 0.05:
        kind = rng.choice(("ulcer", "kidney-injury"))
        _later(history, "exclusions", kind, today + timedelta(days=rng.randint(1, 60)))
    history.maker.today = today


def _later(history: History, section: str, name: str, day: date) -> None:
    if day > history.wish.until:
        return
    piece = next(p for p in catalogue().sections[section] if p.id == name)
    for part in piece.parts:
        history.maker.today = day
        history.add(history.maker.part({**part, "ago": [0, 0]}, None)[0])
    history.note(piece, day)


# --- codes of the house ---


def _local(history: History, book: Catalogue, rng: Random) -> None:
    """An order, or a fact, that only the house can read."""
    local, today = book_of_populations()["local"], history.maker.today
    if rng.random() < 0.5:
        made = resources.planned(history.maker, {"planned": local["order"]}, None)
        risky = rng.random() < 0.5
        if risky:
            history.plant(next(p for p in book.sections["factors"] if p.id == "ho-thigh"))
        done(history, [history.add(made)])
        asked = Expected("12n", "hip-order-not-understood", "high")
        expected = Truth(200, (asked,) if risky else ())
        history.told("order", today, [made], expected, tier_told=asked.tier if risky else "none",
                     understood=False)  # fmt: skip
        return
    part = {"condition": local["ho"], "ago": [300, 3000]}
    history.add(history.maker.part(part, None)[0])
    orders = order(history, next(t for t in _hip_triggers(book) if t.id == "total"))
    done(history, orders)
    expected = Truth(200, (Expected("12h", "ho-question"),))
    history.told("order", today, orders, expected, trigger="total")


# --- what else is in a record ---


def normal_results(history: History) -> None:
    """Kidney function, potassium and platelets of the weeks before, where no piece has them."""
    there = {coding["code"] for r in history.resources if r["resourceType"] == "Observation"
             for coding in r["code"].get("coding", ())}  # fmt: skip
    for result in book_of_populations()["elective"]["results"]:
        if result["code"].split()[1] not in there:
            part = {"observation": result["code"], "value": [result["value"]] * 2,
                    "unit": result["unit"], "ago": [2, 80]}  # fmt: skip
            history.add(resources.observation(history.maker, part))


def fill(history: History, number: int, *, orders: bool = True) -> None:
    """What a record holds and no rule is about, over ten years, also after the operation."""
    maker, rng = history.maker, history.maker.rng
    filler, book = catalogue().filler, book_of_populations()
    after = max((history.wish.until - maker.today).days, 0)
    first = min((event.day for event in history.events), default=maker.today)
    kinds = ("observation", "condition", "local", "allergy", "family", "procedure", "medication",
             "order")  # fmt: skip
    weights = (24, 8, 2, 1, 1, 4, 4, 6) if orders else (24, 8, 2, 1, 1, 0, 0, 0)
    for kind in rng.choices(kinds, weights, k=number):
        part: dict[str, object] = {"ago": [-after, 3000]}
        if kind == "observation":
            line, least, most, unit = rng.choice(filler["observations"])
            part |= {"observation": line, "value": [least, most], "unit": unit}
        elif kind == "order":
            _everyday_order(history, rng.choice(book["everyday"]), after)
            continue
        elif kind == "local":
            part["condition"] = rng.choice(book["local"]["conditions"])
        elif kind in book["nothing"]:
            part |= {kind: book["nothing"][kind], "relation": "mother"}
        else:
            part[kind] = rng.choice(filler[f"{kind}s"][maker.habits])
            part["state"] = rng.choice(("active", "resolved"))
        if kind == "medication":
            part["stopped"] = [-after, 3000]
        _roughly(history.add(maker.part(part, None)[0]), first, rng)


def _everyday_order(history: History, line: str, after: int) -> None:
    made = resources.planned(history.maker, {"planned": line}, None)
    made |= {"status": "completed", "authoredOn": history.maker.day([-after, 3000])}
    made["requester"] = {"reference": "Practitioner/physician-1"}
    history.add(made)


def _roughly(resource: Resource, first: date, rng: Random) -> None:
    """Some diagnoses of years before the first event have a year only, some no date at all."""
    if resource["resourceType"] != "Condition":
        return
    drawn, day = rng.random(), str(resource["onsetDateTime"])
    if drawn < 0.05:
        del resource["onsetDateTime"], resource["recordedDate"]
    elif drawn < 0.15 and int(day[:4]) < first.year - 1:
        resource["onsetDateTime"], resource["recordedDate"] = day[:4], day[:7]
