"""Finds texts that name a genetic HO disease, or acquired HO, save those that deny it (negation).

Codes decide; such a text only raises a question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from cds_service.clinical.chart import Mention, Provenance
from cds_service.fhir.elements import LABEL_LIMIT, Doc, all_texts, notes_of, text
from cds_service.knowledge.condition_names import NO_CONDITIONS, ConditionNames
from cds_service.knowledge.drug_names import NO_NAMES, DrugNames
from cds_service.knowledge.names import HO
from cds_service.knowledge.result_names import NO_RESULTS, ResultNames

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

Patterns = tuple[tuple[str, re.Pattern[str]], ...]

_SCOPED = re.compile(r"\(\?-?[a-z]+:(.*)\)")
_PLAIN = re.compile(r"[\w' -]+")
_BETWEEN = re.compile(r"\\[Ws]\+")  # \W+ or \s+: what may stand between two words
_ENDINGS = re.compile(r"\\w\*(?=\\[Ws]|$)")
# Japanese, Chinese and Korean have no boundary between a word and FOP.
_EDGES = (r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])", r"\b")
_LOOKAHEAD = re.compile(r"\(\?[!=][^|]*\)$")
_LOOKBEHIND = re.compile(r"^(?:\(\?<![^()|]*\))+")
_COMMON = frozenset({
    "progressive", "progressiva", "progresiva", "syndrome", "plaque", "right", "left", "bilateral",
    "platelike", "plate-like", "plattenartiges", "plattenförmiges",  # osteoma cutis
})  # fmt: skip
_TELLING = 6  # letters; a shorter word stands in too many texts
_LOOKED_AT = 50  # denials in one text; nobody writes more

# Which codes of an entry make a text beside them that names the disease superfluous.
CODED_AS: Mapping[str, frozenset[str]] = {
    "fop": frozenset({"fop", "fop-possible"}),
    "poh": frozenset({"poh", "poh-possible"}),
    "gnas": frozenset({"gnas-related"}),
    HO: frozenset({
        "fop", "fop-possible", "poh", "poh-possible", "ho-postoperative", "ho-hip-region",
        "ho-site-unspecified", "ho-elsewhere", "brooker-class", "ho-excision",
        "ho-excision-or-release", "ectopic-ossification-phenotype",
    }),
}  # fmt: skip

# "No FOP", "negative for FOP". Only known words may stand between the two, and only an end or a
# word that adds nothing may follow: "no FOP test yet" and "no surgery without FOP expert" ask.
_DENIED_BEFORE = re.compile(
    r"\b(?:no|not(?=\s+(?:have|had|known|a|FOP|POH|fibro\w*|osseous|progressive)\b)"
    r"|denies|denied|denying|negative\s+for|without\s+(?:evidence|signs?|history)\s+of"
    r"|kein\w*|ohne\s+hinweis\s+auf)"
    r"(?:(?:\s+|\s*/\s*)(?:known|any|a|an|the|have|has|had|having|personal|family|familial|past"
    r"|prior|history|hx|evidence|signs?|features|of|for|with|or"
    r"|bekannte?n?|hinweise?|auf|für|fibrodysplasia|ossificans|progressiva|osseous|heteroplasia"
    r"|progressive|heterotopic|periarticular|FOP|POH)\b)*[\s(]*$",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    r"(?:\s+progressiva)?\)?\s*(?:\((?:FOP|POH)\))?\s*"
    r"(?:$|[.,;)\n]|(?:of|in|at|about)\s+(?:the\s+)?(?:(?:right|left|both)\s+)?hips?\b|(?:in\s+(?:the\s+)?(?:family|patient|history)|or|and|nor"
    r"|known|reported|on record|found|present|so far)\b)",
    re.IGNORECASE,
)
# "FOP excluded", "FOP: negative", "FOP has been ruled out by ACVR1 testing".
_DENIED_AFTER = re.compile(
    r"(?:\s+progressiva)?\)?\s*(?:\((?:FOP|POH)\))?[\s:]*"
    r"(?:(?:has|have|was|were|is|been|now|genetically|genetic|gene|testing|tests?|diagnosis)\s+){0,4}"
    r"(?:(?:[,:(-]\s*)?(?:(?:of|the|right|left|hip|both|hips|is|grade)\s+){0,4}brooker\W+(?:class\W+|grade\W+)?0"
    r"|excluded|ruled\s+out|negative|ausgeschlossen)"
    r"\s*(?:$|[.,;()\n]|(?:by|in|on|with|genetically)\b)",
    re.IGNORECASE,
)
# Near a denial these leave the question open: "FOP not yet excluded", "no biopsy until FOP is
# ruled out", "no FOP?".
_OPEN = re.compile(
    r"\?|\b(?:yet|can\s?not|can't|could|until|unless|before|once|if|when|whether|after|pending"
    r"|unclear|unsure|possible|suspect\w*|need\w*|must|should|please|to be|doubt|but|except|however"
    r"|although|noch|erst|bis|aber)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|never|no|nicht)\b", re.IGNORECASE)
_ENDS = re.compile(r"\.\s|\n")
_NEAR = 60
# In French, Spanish and Italian FOP is also a hole between the atria of the heart.
_SHORT = frozenset({"FOP", "fop"})
_FORAMEN = "foramen"


class Mentions:
    """The mention patterns of the knowledge (`disease`, compiled pattern), quick on texts that
    name nothing, which is nearly all of them."""

    def __init__(
        self,
        patterns: Patterns = (),
        also: tuple[str, ...] = (),
        medicines: tuple[str, ...] = (),
        drugs: DrugNames = NO_NAMES,
        conditions: ConditionNames = NO_CONDITIONS,
        results: ResultNames = NO_RESULTS,
    ) -> None:
        self.drugs = drugs
        self.results = results
        self.conditions = conditions
        self.sayings = drugs.sayings
        self._bare: Mentions | None = None
        self._of_orders: Mentions | None = None
        self._also = also
        self._medicines = medicines
        self._quick = also + medicines
        self._slow: tuple[re.Pattern[str], ...] = ()
        said = [(pattern, _words_in(pattern.pattern)) for _, pattern in patterns]
        reach = _reach(words for _, words in said)
        telling = [max(words, key=reach) if words else "" for _, words in said]
        self._patterns = tuple(
            (disease, pattern, word, tuple(other for other in words if other != word))
            for (disease, pattern), (_, words), word in zip(patterns, said, telling, strict=True)
        )
        for _, pattern, word, _ in self._patterns:
            if word:
                self._quick += (word,)
            else:
                self._slow += (pattern,)
        # What holds another of them says nothing more.
        every = dict.fromkeys(self._quick)
        self._quick = tuple(w for w in every if not any(o in w for o in every if o != w))

    def __bool__(self) -> bool:
        return bool(self._quick or self._slow)

    def within(self, json: bytes) -> Mentions:
        """What orders are asked for, or nothing where no text of this JSON can match: one look at
        all of it."""
        whole, asked = json.decode("utf-8", "replace"), self._for_orders()
        escaped = "\\u" in whole  # nobody writes letters so, but a reader of JSON would see them
        return asked if escaped or asked._slow or asked.speaks(whole) else self._nothing()

    def _for_orders(self) -> Mentions:
        """These without acquired HO: an order is no history of it; made once."""
        if self._of_orders is None:
            kept = tuple((disease, one) for disease, one, *_ in self._patterns if disease != HO)
            self._of_orders = Mentions(
                kept, self._also, self._medicines, self.drugs, self.conditions, self.results
            )
        return self._of_orders

    def _nothing(self) -> Mentions:
        """The drugs, conditions and results without the diseases; made once."""
        if self._bare is None:
            self._bare = Mentions(
                drugs=self.drugs, conditions=self.conditions, results=self.results
            )
        return self._bare

    def speaks(self, value: str) -> bool:
        """True when the text may be worth a closer look."""
        lowered = value.lower()
        for word in self._quick:  # a plain loop: this runs for nearly every text of a record
            if word in lowered:
                return True
        return bool(self._slow) and any(pattern.search(value) for pattern in self._slow)

    def names_medicine(self, values: Iterable[str]) -> bool:
        """Whether one of the texts names a medicine that exists for such a disease only."""
        if not self._medicines:
            return False
        return any(name in value.lower() for value in values for name in self._medicines)

    def find(self, values: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each disease that these texts name, once, with the words around the place."""
        named: set[str] = set()
        for disease, value, one in self._places(values):
            if disease not in named:
                named.add(disease)
                yield disease, _around(value, one.start())

    def uncoded(
        self, entry: Doc, source: Provenance, coded: frozenset[str] = frozenset()
    ) -> Iterator[Mention]:
        """What the texts of one entry name beyond what its code says itself. The patient's own
        disease comes before a relative's; HO of another joint than the hip asks nothing."""
        own: dict[str, Mention] = {}
        told = {disease for disease, sets in CODED_AS.items() if not coded.isdisjoint(sets)}
        texts = all_texts(entry.get("code"), notes_of(entry))
        for disease, value, one in self._places(texts, told):
            if disease == HO and self.sayings.is_elsewhere(_sentence(value, one)):
                continue
            of_relative = self.sayings.of_relative(value[: one.start()], value[one.end() :])
            if disease not in own or (own[disease].of_relative and not of_relative):
                label = _around(value, one.start())
                where = Provenance(source.reference, None, label, source.date, source.recorder)
                own[disease] = Mention(disease, where, of_relative)
        yield from own.values()

    def _places(
        self, values: Iterable[str], told: Collection[str] = ()
    ) -> Iterator[tuple[str, str, re.Match[str]]]:
        """Each place of a disease, beside those that are `told`, that the words around it do not
        deny."""
        for value in dict.fromkeys(values):  # a text and its display are often the same
            if not self.speaks(value):  # nearly always
                continue
            lowered = value.lower()
            is_plain = lowered.isascii()  # else a letter may match that is not the same in lower
            for disease, pattern, word, others in self._patterns:
                if word not in lowered or disease in told:  # a pattern may have a blank word
                    continue
                if is_plain and not all(other in lowered for other in others):
                    continue
                for number, one in enumerate(pattern.finditer(value)):
                    if number >= _LOOKED_AT or not self._is_denied(disease, value, one):
                        yield disease, value, one
                    if number >= _LOOKED_AT:
                        break

    def _is_denied(self, disease: str, value: str, one: re.Match[str]) -> bool:
        before, after = value[: one.start()], value[one.end() :]
        if disease == HO and self.sayings.is_no_finding(before, after):
            return True  # a risk of it, its prophylaxis
        if one[0] in _SHORT and _FORAMEN in f"{before[-_NEAR:]}{after[:_NEAR]}".lower():
            return True
        return _is_denied(value, one) or self.sayings.denies(before, after)


def _words_in(pattern: str) -> tuple[str, ...]:
    """What a text must contain, in lower case, to match a pattern that is words with blanks between
    them, perhaps with word boundaries and a scoped flag around; empty for any other."""
    scoped = _SCOPED.fullmatch(pattern)
    inner = _LOOKAHEAD.sub("", scoped[1] if scoped else pattern)  # what must, or may not follow
    inner = _LOOKBEHIND.sub("", inner)  # nor stand before it
    for edge in _EDGES:
        inner = inner.removeprefix(edge).removesuffix(edge)
    words = _BETWEEN.split(_ENDINGS.sub("", inner))
    if not all(_PLAIN.fullmatch(word) for word in words):
        return ()
    return tuple(word.lower() for word in words)


def _reach(said: Iterable[tuple[str, ...]]) -> Callable[[str], tuple[bool, bool, int, int]]:
    """How well a word tells that a text may be worth a look: no common one, long, and of the long
    ones one that serves many patterns, so that few words are looked for."""
    every = list(said)

    def reach(word: str) -> tuple[bool, bool, int, int]:
        long = len(word) >= _TELLING
        served = sum(any(word in other for other in words) for words in every) if long else 0
        return word not in _COMMON, long, served, len(word)

    return cache(reach)


def _around(value: str, start: int) -> str:
    """A label that shows the mention even where it stands deep in a long note."""
    if start + 40 <= LABEL_LIMIT:
        return text(value) or ""
    return text("…" + value[start - 40 :]) or ""


def _sentence(value: str, one: re.Match[str]) -> str:
    """The words of a sentence around a place."""
    before, after = value[: one.start()][-_NEAR:], value[one.end() :][:_NEAR]
    return f"{_ENDS.split(before)[-1]}{one[0]}{_ENDS.split(after)[0]}"


def _is_denied(value: str, one: re.Match[str]) -> bool:
    """Whether the text plainly says that the patient (or relative) does not have the disease. In
    any doubt it does not: the question is asked."""
    start, end = one.span()
    before, after = value[max(0, start - 2 * _NEAR) : start], value[end : end + _NEAR]
    denial = _DENIED_BEFORE.search(before)
    if denial and not _FOLLOWS.match(after):
        return False
    if not denial and not _DENIED_AFTER.match(after):
        return False
    earlier = _ENDS.split(before[: denial.start()] if denial else before)[-1]
    around = f"{earlier[-_NEAR:]}|{_ENDS.split(after)[0]}"
    return not (_OPEN.search(around) or _NOT.search(around))


def quick_mentions(
    patterns: Patterns,
    medicines: tuple[str, ...] = (),
    drugs: DrugNames = NO_NAMES,
    conditions: ConditionNames = NO_CONDITIONS,
    results: ResultNames = NO_RESULTS,
) -> Mentions:
    """The mention patterns as a ChartReader wants them; may be shared by all of them. `medicines`
    are names, in small letters, of what is given for such a disease only."""
    also = ("brooker", "cyp2c9", "acvr1", "alk2")
    return Mentions(patterns, also, medicines, drugs, conditions, results)


def mentions_of(knowledge: Knowledge) -> Mentions:
    """Patterns of uncoded text that names a genetic disease, with the disease, or acquired HO."""
    named: list[tuple[str, tuple[str, ...]]]
    named = [(rule.disease, rule.mentions) for rule in knowledge.genetic.values()]
    named += [(HO, rule.mentions) for rule in knowledge.factors.values() if rule.enabled]
    return quick_mentions(
        tuple(
            (disease, re.compile(pattern, re.IGNORECASE))
            for disease, patterns in named
            for pattern in patterns
        ),
        tuple(name for rule in knowledge.genetic.values() for name in rule.sign_words),
        knowledge.once(DrugNames),
        knowledge.once(ConditionNames),
        knowledge.once(ResultNames),
    )
