"""Every error the service raises, in one tree, and the R4 OperationOutcome that tells of it.

    CdsError
    ├── RequestError            an HTTP answer other than 200
    │   ├── BadRequest          400  not JSON, wrong type, missing member
    │   │   └── WrongHook       400  this service id does not serve this hook
    │   ├── Unauthorized        401  no token, or one that is not accepted; never says why
    │   ├── Forbidden           403  this client may not call this service
    │   ├── UnknownService      404  no service of this id
    │   ├── TooSlow             408  the body did not arrive in time
    │   ├── MissingData         412  required data not in prefetch, and no usable FHIR access
    │   ├── TooLarge            413  body above the limit
    │   ├── UnsupportedBody     415  an encoding or media type that is not read here
    │   ├── Misdirected         421  the Host header names another host
    │   ├── TooMany             429  this client calls or reports more than it may
    │   ├── Overloaded          503  more calls at once than the service takes
    │   └── Unavailable         503  feedback cannot be stored now, or the strict audit log
    ├── StoreError              the database is not as this program left it
    ├── SettingsError           start-up: the configuration is wrong
    ├── ClientsError            start-up or reload: the file of EHR clients is broken
    └── KnowledgeError          start-up: the clinical content is broken

Messages name places and types, never values: what a request holds is patient data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class CdsError(Exception):
    """Root of all errors of this service."""


class RequestError(CdsError):
    """A call that cannot be answered with 200.

    `place` is a path into the request (`context.draftOrders`) or a line and column;
    `status` the HTTP status (CDS Hooks 2.0 "HTTP Status Codes"); `code` a FHIR R4 issue type.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, place: str | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place


class BadRequest(RequestError):
    """The body is not a CDS Hooks request."""

    status = 400
    code = "invalid"


class WrongHook(BadRequest):
    """The service exists, but not for the hook that the body names."""

    code = "not-supported"


class Unauthorized(RequestError):
    """The caller is not known. Every 401 reads the same; `reason` is for the audit log only.

    `claims` are the unverified `iss`, `kid` and `jti` of the token, as far as it could be read;
    `mismatch` names the claim that decided, what came and what was expected.
    """

    status = 401
    code = "login"

    def __init__(
        self,
        reason: str,
        claims: Mapping[str, str] | None = None,
        mismatch: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("authentication is required")
        self.reason = reason
        self.claims = dict(claims or {})
        self.mismatch = dict(mismatch or {})


class Forbidden(RequestError):
    """The caller is known, but not registered for this service."""

    status = 403
    code = "forbidden"


class UnknownService(RequestError):
    """No service has this id."""

    status = 404
    code = "not-found"


class TooSlow(RequestError):
    """The body did not arrive within the time the service waits."""

    status = 408
    code = "timeout"


class MissingData(RequestError):
    """Required FHIR data is not in prefetch, and no usable FHIR access was given (CDS Hooks 2.0:
    412)."""

    status = 412
    code = "required"


class TooLarge(RequestError):
    """The body is larger than the service reads."""

    status = 413
    code = "too-long"


class UnsupportedBody(RequestError):
    """The body comes in an encoding or media type that is not read here."""

    status = 415
    code = "not-supported"


class Misdirected(RequestError):
    """The Host header names another host than the one that is asked (RFC 9110 section 15.5.20)."""

    status = 421
    code = "not-found"


class TooMany(RequestError):
    """This client calls more often than it may; another try in so many seconds will do."""

    status = 429
    code = "throttled"

    def __init__(self, message: str, seconds: float, place: str | None = None) -> None:
        super().__init__(message, place)
        self.seconds = seconds


class Overloaded(RequestError):
    """More calls are under way than the service takes; another try later will do."""

    status = 503
    code = "throttled"


class Outran(RequestError):
    """The call needs more processor time than one call may have."""

    status = 503
    code = "too-costly"


class Unavailable(RequestError):
    """What has to be written first cannot be: feedback, or an audit line under CDS_AUDIT=strict.
    Another try later will do."""

    status = 503
    code = "transient"


class StoreError(CdsError):
    """The database answers but cannot be trusted: other tables, or another file than before."""


class SettingsError(CdsError):
    """A CDS_* variable is unknown or has a value that cannot be used."""


class NotSent(Exception):
    """A call of ours that was not made, or was given up before anything was sent.

    `told` says why about "the server", `outcome` is the word for figures.
    """

    told = "it cannot be reached"
    outcome = "unreachable"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a file of ours: where, what, and how to mend it where that is known."""

    file: str
    line: int | None
    reason: str
    mend: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{where}: {self.reason}" + (f" ({self.mend})" if self.mend else "")


class MistakesError(CdsError):
    """A file of ours is broken; `mistakes` lists everything that is wrong."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class KnowledgeError(MistakesError):
    """The clinical content is broken."""


class ClientsError(MistakesError):
    """The registry of EHR clients is broken."""


def operation_outcome(
    code: str, message: str, place: str | None = None, severity: str = "error"
) -> dict[str, object]:
    """Build a FHIR R4 OperationOutcome with one issue (CDS Hooks 3.0 ballot: body of non-2xx).

    `code` is from http://hl7.org/fhir/R4/valueset-issue-type.html. `place` goes into
    `expression` when it is a path; a place with blanks (line and column) only into the text.
    `severity` is from http://hl7.org/fhir/R4/valueset-issue-severity.html.
    """
    issue: dict[str, object] = {
        "severity": severity,
        "code": code,
        "diagnostics": f"{place}: {message}" if place else message,
    }
    if place and " " not in place:
        issue["expression"] = [place]
    return {"resourceType": "OperationOutcome", "issue": [issue]}
