"""Statements of the CDS Hooks conformance checklist that are checked here, in our own words.

The ids are those of the project's checklist, which names the place in the specification texts
(https://cds-hooks.hl7.org/2.0/ and the versions beside it) for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Path = tuple[str | int, ...]
"""Way to a JSON value: member names and positions in arrays, from the root."""


class Level(StrEnum):
    """How binding a statement is. ADVICE has no text of the specification behind it."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    ADVICE = "ADVICE"


class Version(StrEnum):
    """Versions of CDS Hooks that differ for a service; 2.0 includes 2.0.1."""

    V1 = "1.0"
    V2 = "2.0"
    V3 = "3.0-ballot"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: `since` is the first version that has it."""

    id: str
    level: Level
    text: str
    since: Version = Version.V1


@dataclass(frozen=True, slots=True)
class Violation:
    """A statement that a message breaks: where, what, and the offending piece."""

    statement: str
    path: Path
    message: str
    piece: Any = None


_SHALL, _SHOULD, _ADVICE = Level.SHALL, Level.SHOULD, Level.ADVICE
_V2, _V3 = Version.V2, Version.V3
_ALL = (
    # Transport and JSON
    Statement("JS-01", _SHALL, "Every body is strict JSON."),
    Statement("JS-02", _SHALL, "Production traffic uses https."),
    Statement("JS-03", _SHALL, "No null, empty string, empty array or empty object is sent."),
    Statement("JS-06", _SHALL, "Embedded resources are valid FHIR JSON."),
    Statement("JS-07", _ADVICE, "Answers have the media type application/json."),
    Statement("JS-08", _ADVICE, "Unknown members of a call change nothing."),
    Statement("JS-09", _ADVICE, "What is no call gets 400 and no 5xx."),
    # Discovery
    Statement("DS-01", _SHALL, "GET {base}/cds-services answers 200."),
    Statement("DS-02", _SHALL, "Discovery is an object with an array of services."),
    Statement("DS-04", _SHALL, "Each service has a hook."),
    Statement("DS-05", _SHALL, "Each service has a description."),
    Statement("DS-06", _SHALL, "Each service has an id, and answers at {base}/cds-services/{id}."),
    Statement("DS-07", _SHOULD, "Each service has a title."),
    Statement("DS-08", _SHALL, "prefetch is an object of strings, left out when empty."),
    Statement("DS-09", _SHALL, "usageRequirements is a string.", _V2),
    Statement("DS-10", _SHOULD, "Each service names its version of CDS Hooks.", _V3),
    Statement("DS-12", _ADVICE, "No pair of id and hook stands twice."),
    Statement("DS-15", _SHOULD, "Hooks are named noun-verb, an organisation's own reverse-domain."),
    Statement("DS-18", _ADVICE, "Nothing answers with a redirect."),
    # Calls
    Statement("RQ-01", _SHALL, "A call without hook, hookInstance or context is refused."),
    Statement("RQ-02", _SHALL, "hookInstance is a UUID."),
    Statement("RQ-03", _ADVICE, "A repeated hookInstance is no error."),
    Statement("RQ-04", _SHALL, "fhirServer comes with fhirAuthorization."),
    Statement("RQ-05", _SHALL, "fhirServer uses https for production data."),
    Statement("RQ-06", _ADVICE, "A call without prefetch is answered (200 or 412), never 5xx."),
    Statement("RQ-07", _ADVICE, "Unknown service 404, other hook 400, GET on a service 405."),
    Statement("RQ-12", _ADVICE, "userId is Type/id; every form of it is read."),
    Statement("HK-01", _SHALL, "The context has the members that its hook requires."),
    Statement("HK-02", _ADVICE, "Orders of any status are looked at."),
    Statement("HK-04", _SHALL, "selections name entries of draftOrders as Type/id."),
    # Prefetch templates and data
    Statement("PF-01", _SHALL, "Tokens stand between {{ and }}."),
    Statement("PF-02", _SHALL, "A token names a context field or one of the four user ids."),
    Statement("PF-04", _SHALL, "Context tokens are written context.field."),
    Statement("PF-05", _SHALL, "Templates stay in the recommended subset of FHIR search."),
    Statement("PF-06", _ADVICE, "Sorting is written _sort."),
    Statement("PF-07", _SHALL, "A template is a relative FHIR URL."),
    Statement("PD-01", _SHALL, "412 where required data are neither sent nor obtainable."),
    Statement("PD-02", _SHOULD, "OperationOutcomes in prefetch are noticed."),
    Statement("PD-04", _SHALL, "null in prefetch means that there are no data; it is no error."),
    Statement("PD-05", _ADVICE, "null and an empty Bundle mean the same."),
    Statement("PD-08", _ADVICE, "Prefetch keys that nobody asked for are ignored."),
    Statement("PD-10", _ADVICE, "Prefetch values of any form are survived."),
    Statement("FA-03", _SHALL, "fhirAuthorization has its five required members."),
    # Answers
    Statement("RS-01", _SHALL, "Success is 200 with an object that has an array of cards."),
    Statement("RS-03", _SHALL, "systemActions is an array of actions.", _V2),
    Statement("RS-04", _ADVICE, "An answer has cards, systemActions, extension and no more."),
    Statement("ER-05", _SHOULD, "A non-2xx answer has an OperationOutcome.", _V3),
    Statement("CD-01", _ADVICE, "Every card has its own UUID, in lower case."),
    Statement("CD-02", _SHALL, "summary is one sentence of fewer than 140 characters."),
    Statement("CD-03", _SHALL, "detail is a string of GitHub Flavored Markdown."),
    Statement("CD-04", _SHALL, "indicator is info, warning or critical."),
    Statement("CD-05", _SHALL, "A card has a source."),
    Statement("CD-06", _SHALL, "Suggestions come with selectionBehavior."),
    Statement("CD-07", _SHALL, "selectionBehavior is at-most-one, from 2.0 on also any."),
    Statement("CD-08", _SHALL, "Override reasons are Codings with display.", _V2),
    Statement("CD-10", _ADVICE, "A card has no members that the specification lacks."),
    Statement("SO-01", _SHALL, "source has a label."),
    Statement("SO-02", _SHALL, "source.url is an absolute URL."),
    Statement("SO-03", _SHALL, "source.icon is an absolute URL."),
    Statement("SO-04", _SHALL, "source.topic is a Coding.", _V2),
    Statement("SG-01", _SHALL, "A suggestion has a label."),
    Statement("SG-02", _ADVICE, "Every suggestion has its own UUID."),
    Statement("SG-03", _SHALL, "At most one suggestion is recommended under at-most-one.", _V2),
    Statement("SG-06", _SHALL, "actionSelectionBehavior goes only to clients that know it."),
    Statement("AC-01", _SHALL, "An action's type is create, update or delete."),
    Statement("AC-02", _SHALL, "An action has a description."),
    Statement("AC-03", _SHALL, "create and update carry a FHIR resource."),
    Statement("AC-05", _SHOULD, "delete names its target as resourceId, Type/id.", _V2),
    Statement("AC-07", _ADVICE, "update and delete aim at a draft order of the call."),
    Statement("LK-01", _SHALL, "A link has label, an absolute url, and type absolute or smart."),
    Statement("LK-02", _SHALL, "appContext is a string and goes with smart links only."),
    Statement("CO-01", _SHALL, "A Coding has code and system.", _V2),
    Statement("EX-01", _SHALL, "extension is an object."),
    Statement("EX-02", _SHOULD, "Names inside extension are globally unique.", _V2),
    Statement("EX-03", _ADVICE, "An extension in a call is no reason to fail."),
    Statement("MD-01", _SHALL, "Only detail is Markdown; summary and labels are plain text."),
    Statement("MD-02", _SHOULD, "detail holds no raw HTML.", _V3),
    Statement("MD-04", _ADVICE, "Text of the chart becomes nothing active in detail."),
    # Feedback, authentication, browsers, speed
    Statement("FB-01", _ADVICE, "Where feedback is not offered, 404 or 405 says so, never 5xx."),
    Statement("FB-03", _SHALL, "Feedback of every documented form is taken.", _V2),
    Statement("FB-04", _ADVICE, "The same feedback may come twice.", _V2),
    Statement("FB-06", _ADVICE, "Unusual feedback is taken; what is none gets 4xx.", _V2),
    Statement("AU-01", _SHOULD, "Calls need authentication where they put data at risk."),
    Statement("AU-02", _SHALL, "A good token opens what is closed without one."),
    Statement("AU-05", _SHALL, "A token for another audience is refused."),
    Statement("AU-06", _SHALL, "A token of algorithm none is refused."),
    Statement("AU-07", _SHALL, "A token of a symmetric algorithm is refused."),
    Statement("AU-08", _SHOULD, "ES384 and RS384 are taken."),
    Statement("AU-10", _SHOULD, "Expired and repeated tokens are refused."),
    Statement("ER-03", _ADVICE, "401 does not tell what was wrong with the token."),
    Statement("CR-01", _SHOULD, "Browsers get through: CORS preflights are answered."),
    Statement("CR-02", _ADVICE, "CORS headers are on errors too, and not * with credentials."),
    Statement("PE-01", _SHOULD, "An answer takes about 500 ms."),
    Statement("PE-02", _ADVICE, "Answers about patients are not cached."),
    Statement("PE-05", _ADVICE, "Idle connections stay open as long as clients keep them."),
)  # fmt: skip
STATEMENTS: Final[Mapping[str, Statement]] = {statement.id: statement for statement in _ALL}
