"""The story of an expansion: ask every row, keep each answer, then write the overlay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cds_service.cards.terminal import counted
from cds_service.knowledge.loader import load
from cds_service.tools.expand import overlay_files
from cds_service.tools.expand.errors import CannotGoOn, RowUnanswered, ServerBusy
from cds_service.tools.expand.plan import SetPlan, elsewhere, plan
from cds_service.tools.expand.progress import Progress
from cds_service.tools.expand.roots import Key, Listed, listed
from cds_service.tools.expand.state import FOLDER, Descendant, Descendants, Run, State
from cds_service.tools.expand.terminology_server import Expansion, LookedUp, TerminologyServer

_MOST_BUSY: Final = 3
"""So many rows in a row without an answer, and the server is given up."""


@dataclass(frozen=True, slots=True)
class ExpansionWish:
    """What to expand, and where the result goes. Without `value_sets`: all that have such rows."""

    server: str
    overlay: Path
    value_sets: tuple[str, ...] = ()
    token: str | None = None
    ecl: bool = False
    restart: bool = False
    lookup: bool = True
    page: int = 1000
    most: int = 10_000
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class ExpansionReport:
    """What was asked of whom, what each value set gains, and which rows have no answer."""

    software: str
    releases: tuple[str, ...]
    rows: int
    kept: int
    plans: tuple[SetPlan, ...]
    unanswered: tuple[tuple[str, str], ...]
    activity_unknown: int

    @property
    def whole(self) -> bool:
        return not self.unanswered


@dataclass
class _Asking:
    """The rows under way."""

    server: TerminologyServer
    state: State
    progress: Progress
    lookup: bool
    answers: dict[Key, Descendants]
    unanswered: dict[Key, str] = field(default_factory=dict)
    _active: dict[Key, bool | None] = field(default_factory=dict)
    _busy: int = 0

    def ask(self, keys: Iterable[Key]) -> None:
        """Ask for each key that has no answer yet. Raises CannotGoOn."""
        left = [
            k for k in dict.fromkeys(keys) if k not in self.answers and k not in self.unanswered
        ]
        self.progress.more(len(left))
        for key in left:
            try:
                answer = self._answer(key)
                self._same_release(answer)
            except RowUnanswered as error:
                self.unanswered[key] = str(error)
                self._busy = self._busy + 1 if isinstance(error, ServerBusy) else 0
                self.progress.row(0)
                if self._busy >= _MOST_BUSY:
                    raise CannotGoOn(f"{_MOST_BUSY} rows one after the other: {error}") from None
                continue
            self._busy = 0
            self.state.keep(answer)
            self.answers[key] = answer
            self.progress.row(len(answer.codes))

    def _answer(self, key: Key) -> Descendants:
        expansion = self.server.expand(*key)
        if key not in {(one.system, one.code) for one in expansion.codes}:
            raise RowUnanswered(self._not_understood(key, expansion))
        codes = tuple(
            Descendant(
                one.system, one.code, one.display, self._inactive(key, one.code, one.inactive)
            )
            for one in expansion.codes
        )
        day = datetime.now(UTC).date().isoformat()
        return Descendants(*key, codes, expansion.release or self._release(key), day)

    def _not_understood(self, key: Key, expansion: Expansion) -> str:
        """Why an expansion lacks its own root. It never means that there is nothing below it."""
        said = self.server.lookup(*key)
        many = f"{len(expansion.codes)} codes" if expansion.codes else "an empty expansion"
        told = f"not understood by this server: it answers {many} without the code itself"
        if said is None:
            return f"{told}; try another server"
        if not said.known:
            return f"{told}, and $lookup does not know the code; is this release loaded?"
        if said.inactive:
            return f"{told}; the code is inactive in this release, so its successor must be listed"
        return (
            f"{told}, though $lookup knows it; try another server (HAPI: Hibernate Search is on?)"
        )

    def _inactive(self, root: Key, code: str, stated: bool | None) -> bool | None:
        """Whether a code is inactive: as the expansion says, else as $lookup says."""
        key = root[0], code
        if stated is not None or not self.lookup:
            return stated
        if key not in self._active:
            said = self.server.lookup(*key)
            self._active[key] = said.inactive if said is not None and said.known else None
            self.progress.tick(f"{counted(len(self._active), 'code')} looked up")
        return self._active[key]

    def _release(self, key: Key) -> str | None:
        said: LookedUp | None = self.server.lookup(*key) if self.lookup else None
        return said.release if said is not None else None

    def _same_release(self, answer: Descendants) -> None:
        for other in self.answers.values():
            if other.system == answer.system and other.release != answer.release:
                raise CannotGoOn(
                    f"the server now answers with release {answer.release}, before with "
                    f"{other.release}; begin anew with --restart"
                )


def expand(wish: ExpansionWish, progress: Progress) -> ExpansionReport:
    """Ask for all rows and write the overlay.

    Raises CannotGoOn (answers so far are kept for the next run), KnowledgeError for an overlay
    that is broken, OSError where it cannot be written. Rows without an answer are in the report,
    and the value sets that need them keep what they had.
    """
    base = load()
    if wish.overlay.is_dir() and any(p.name != FOLDER for p in wish.overlay.iterdir()):
        load(wish.overlay)
    known = listed(base.value_sets, wish.overlay)
    value_sets = _wanted(known, wish.value_sets, base.value_sets)
    state = State(wish.overlay / FOLDER)
    with TerminologyServer(
        wish.server, wish.token, page=wish.page, most=wish.most, timeout=wish.timeout, ecl=wish.ecl
    ) as server:
        software = server.software()
        state.begin(Run(wish.server.rstrip("/"), software, wish.ecl), restart=wish.restart)
        asking = _Asking(server, state, progress, wish.lookup, {a.key: a for a in state.answers()})
        kept = len(asking.answers)
        _ask_all(asking, known, value_sets)
    plans = plan(known, asking.answers, value_sets)
    files = overlay_files.merged(base.value_sets, wish.overlay, plans, asking.answers, software)
    overlay_files.put(wish.overlay, files)
    if not asking.unanswered:
        state.clear()
    return _report(asking, known, plans, software, kept)


def _wanted(known: Listed, wished: Sequence[str], all_: Iterable[str]) -> tuple[str, ...]:
    for id_ in wished:
        if id_ not in known.roots:
            there = "has no row marked 'descendants'" if id_ in set(all_) else "does not exist"
            marked = ", ".join(sorted(known.roots))
            raise CannotGoOn(f"the value set '{id_}' {there}; those that can be asked: {marked}")
    return tuple(dict.fromkeys(wished)) or tuple(sorted(known.roots))


def _ask_all(asking: _Asking, known: Listed, value_sets: Sequence[str]) -> None:
    asking.ask(root.key for id_ in value_sets for root in known.roots[id_])
    # What is below a code that stays out must be known, to stay out with it. Nobody needs to know
    # of these whether they are inactive.
    lookup, asking.lookup = asking.lookup, False
    asking.ask(key for id_ in value_sets for key in elsewhere(known, asking.answers, id_))
    asking.lookup = lookup


def _report(
    asking: _Asking, known: Listed, plans: Sequence[SetPlan], software: str, kept: int
) -> ExpansionReport:
    names = {root.key: str(root) for roots in known.roots.values() for root in roots}
    gained = [code for one in plans for code, _ in one.gains.values()]
    return ExpansionReport(
        software=software,
        releases=tuple(sorted({a.release or "not stated" for a in asking.answers.values()})),
        rows=len(asking.answers) + len(asking.unanswered),
        kept=kept,
        plans=tuple(plans),
        unanswered=tuple((names.get(k, k[1]), why) for k, why in asking.unanswered.items()),
        activity_unknown=sum(code.inactive is None for code in gained),
    )
