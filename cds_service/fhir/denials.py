"""Tells whether the words around the name of a disease deny it, so that no question is asked."""

from __future__ import annotations

import re

# "No FOP", "negative for FOP". Only known words may stand between the two, and only an end or a
# word that adds nothing may follow: "no FOP test yet" and "no surgery without FOP expert" ask.
_DENIED_BEFORE = re.compile(
    r"\b(?:no|not(?=\s+(?:have|had|known|a|FOP|POH|fibro\w*|osseous|progressive)\b)"
    r"|denies|denied|denying|negative\s+for|without\s+(?:evidence|signs?|history)\s+of"
    r"|kein\w*|ohne\s+hinweis\s+auf)"
    r"(?:(?:\s+|\s*/\s*)(?:known|any|a|an|the|have|has|had|having|personal|family|familial|past"
    r"|prior|history|hx|evidence|signs?|features|of|for|with|or"
    r"|bekannte?n?|hinweise?|auf|für|fibrodysplasia|ossificans|progressiva|osseous|heteroplasia"
    r"|progressive|FOP|POH)\b)*[\s(]*$",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    r"(?:\s+progressiva)?\)?\s*(?:\((?:FOP|POH)\))?\s*"
    r"(?:$|[.,;)\n]|(?:in\s+(?:the\s+)?(?:family|patient|history)|or|and|nor"
    r"|known|reported|on record|found|present|so far)\b)",
    re.IGNORECASE,
)
# "FOP excluded", "FOP: negative", "FOP has been ruled out by ACVR1 testing".
_DENIED_AFTER = re.compile(
    r"(?:\s+progressiva)?\)?\s*(?:\((?:FOP|POH)\))?[\s:]*"
    r"(?:(?:has|have|was|were|is|been|now|genetically|genetic|gene|testing|tests?|diagnosis)\s+){0,4}"
    r"(?:excluded|ruled\s+out|negative|ausgeschlossen)"
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


def denied(value: str, one: re.Match[str]) -> bool:
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
