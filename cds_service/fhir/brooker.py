"""Brooker class of heterotopic ossification, from codes and from answers.

Brooker AF et al., J Bone Joint Surg Am 1973;55:1629-1632 (classes I to IV).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cds_service.clinical.chart import CodeSeen
from cds_service.knowledge.names import BROOKER

if TYPE_CHECKING:
    from cds_service.knowledge.terminology import CodeIndex

# A class as the whole of an answer: "III", "Brooker grade 3", "II-III, right hip". Never a search
# in a longer text, which may say "not present" or name the scale.
_GRADE = re.compile(
    r"\s*(?:(?:brooker|ho|class|classification|grade|stage|type|score)\b[\s:,.-]*)*"
    r"(?P<class>i\s?-\s?ii|ii\s?-\s?iii|iii\s?-\s?iv|iv|iii|ii|i|[0-4])\s?[ab]?"
    r"(?:[\s,;:()-]+(?:of|the|on|right|left|both|bilateral|hips?|sides?)\b)*[\s.)]*",
    re.IGNORECASE,
)
BROOKER_NONE = "0"
"""No heterotopic ossification on the film."""
_ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV"}


def mentions_brooker(values: Iterable[str]) -> bool:
    """True when a text has the word Brooker in it."""
    return any("brooker" in value.lower() for value in values)


def brooker_class(values: Iterable[str], *, asked: bool) -> str | None:
    """The Brooker class (I to IV, two neighbours, or 0: no HO) that an answer consists of.

    `asked` says that the question was for it; else the answer has to name Brooker itself.
    """
    for value in values:
        if (asked or mentions_brooker((value,))) and (found := _GRADE.fullmatch(value[:80])):
            said = found["class"].upper().replace(" ", "")
            return _ROMAN.get(said, said)
    return None


def coded_class(index: CodeIndex, found: Iterable[CodeSeen]) -> str | None:
    """The Brooker class of a code that stands for one."""
    for coding in found:
        match = index.match(coding.system, coding.code)
        if match is not None and BROOKER in match.concepts and coding.code in _ROMAN:
            return _ROMAN[coding.code]
    return None
