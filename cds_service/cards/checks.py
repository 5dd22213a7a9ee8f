"""What a card asks to look at before choosing, one line for one fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from cds_service.cards.markdown import escape
from cds_service.cards.prose import Prose, capital
from cds_service.clinical.assessment import Effect, Guidance, OptionVerdict, Reason, Standing

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import UnknownCheck

REASON_LIMIT = 200


EXCLUDED: Final = Standing.EXCLUDED  # looking up a member of an enumeration takes long


def offered(guidance: Guidance) -> list[OptionVerdict]:
    """The options that a clinician may choose, with or without a condition."""
    return [v for v in guidance.options if v.standing is not EXCLUDED]


def unknown_checks(knowledge: Knowledge) -> Mapping[str, UnknownCheck]:
    """By id; for `Knowledge.once`."""
    return {check.id: check for check in knowledge.unknown_checks}


def _clauses(knowledge: Knowledge) -> frozenset[str]:
    return frozenset(check.id for check in knowledge.unknown_checks if check.is_clause)


def sentence(reason: Reason, prose: Prose) -> str:
    """A reason as a sentence of the card."""
    return prose.sentence(reason.text, REASON_LIMIT)


def checks_of(guidance: Guidance, knowledge: Knowledge, prose: Prose) -> dict[str, str]:
    """What to look at before choosing, and a word for it: this patient's conditions, then what was
    not read."""
    exclusions, unread = knowledge.exclusions, knowledge.once(unknown_checks)
    said = {n.text for n in guidance.not_assessed}
    told = []
    for verdict in offered(guidance):
        for reason, text in _one_a_date(verdict.reasons, prose) if verdict.reasons else ():
            if reason.text not in said:
                rule = exclusions.get(reason.rule) or unread.get(reason.rule)
                told.append((text, (rule and rule.check) or reason.rule))
    checks = one_a_fact(told) if len(told) > 1 else dict(told)
    closed = {v.option for v in guidance.options if v.standing is EXCLUDED}
    out: dict[str, list[str]] = {}
    clauses = knowledge.once(_clauses)
    for n in sorted(guidance.not_assessed, key=lambda n: n.check in clauses):
        check = unread.get(n.check)
        word = (check and check.check) or n.state
        if check is not None and check.applies_to and closed.issuperset(check.applies_to):
            option = check.applies_to[0]
            out.setdefault(knowledge.options[option].short or option, []).append(word)
        else:
            checks[prose.sentence(n.text, REASON_LIMIT)] = word
    for option, named in out.items():
        words_ = ", ".join(dict.fromkeys(named))
        checks[escape(f"Before any {option}: {words_}.", REASON_LIMIT)] = words_
    return checks


def _one_a_date(reasons: tuple[Reason, ...], prose: Prose) -> Iterable[tuple[Reason, str]]:
    """The reasons as sentences; a question for a date joins what is left to the clinician because
    of the same fact."""
    if not [asked for asked in reasons if asked.asks]:
        return [(reason, sentence(reason, prose)) for reason in reasons]
    return _with_dates(reasons, prose)


def _with_dates(reasons: tuple[Reason, ...], prose: Prose) -> Iterator[tuple[Reason, str]]:
    decided = [reason for reason in reasons if reason.effect is Effect.NO_DRAFT]
    joined = {
        asked.rule: next((one.rule for one in decided if _facts(asked) <= _facts(one)), None)
        for asked in reasons
        if asked.asks
    }
    for reason in reasons:
        if joined.get(reason.rule):
            continue
        said = sentence(reason, prose)
        for asked in reasons:
            if joined.get(asked.rule) == reason.rule:
                said = f"{said.rstrip('.')}; {prose.escape(asked.asks)}"
        yield reason, said


def one_a_fact(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Lines, each with a word for it: what is said of one fact in several stands in one, and its
    name once."""
    joined: dict[str, tuple[str, str]] = {}
    for line, word in lines:
        fact, colon, said = line.partition(": ")
        if colon and fact in joined and said not in joined[fact][0]:
            before, words = joined[fact]
            both = words if word in words.split(", ") else f"{words}, {word}"
            joined[fact] = (f"{before} {capital(said)}", both)
        else:
            joined.setdefault(fact if colon else line, (line, word))
    return dict(joined.values())


def _facts(reason: Reason) -> frozenset[tuple[str, str]]:
    return frozenset((source.reference, source.label) for source in reason.sources)
