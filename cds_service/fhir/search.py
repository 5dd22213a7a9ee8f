"""What the service asks an EHR for: the prefetch templates, and the same as searches of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cds_service.knowledge.code_systems import LOINC, SNOMED
from cds_service.knowledge.names import BROOKER, GENOMIC_FINDING, InputName

if TYPE_CHECKING:
    from cds_service.knowledge.model import Knowledge
    from cds_service.knowledge.profile_schema import Profile

TEMPLATES: Mapping[InputName, str] = {
    InputName.PATIENT: "Patient/{{context.patientId}}",
    InputName.CONDITIONS: "Condition?patient={{context.patientId}}",
    InputName.PROCEDURES: "Procedure?patient={{context.patientId}}",
    InputName.MEDICATIONS: "MedicationRequest?patient={{context.patientId}}&status=active",
    InputName.ALLERGIES: "AllergyIntolerance?patient={{context.patientId}}",
    InputName.OBSERVATIONS: (
        "Observation?patient={{context.patientId}}&code=RESULTS&_sort=-date&_count=50"
    ),
    InputName.FAMILY_HISTORY: "FamilyMemberHistory?patient={{context.patientId}}",
    InputName.SERVICE_REQUESTS: "ServiceRequest?patient={{context.patientId}}&status=active",
}
"""What is asked for, in the subset of FHIR search that every EHR supports (PF-05).

RESULTS stands for the codes of `observation_codes`.
"""

RECENT: Final = "recentResults"
"""The key under which 3.0 asks for results that do not count for life; no input of its own."""
RECENT_DAYS: Final = 365
"""No result of the laboratory counts for longer (exclusions.yaml, `within_days`)."""
_LASTING: Final = frozenset({BROOKER, GENOMIC_FINDING})
HALF: Final = "the results of one of two keys were not sent"


def is_half(prefetch: Collection[str]) -> bool:
    """Whether of the two keys of results that 3.0 has, one was sent and the other was not."""
    keys = {key.strip().casefold() for key in prefetch}
    return len(keys & {InputName.OBSERVATIONS.casefold(), RECENT.casefold()}) == 1


_STATEMENTS = "MedicationStatement?patient={{context.patientId}}"
"""The other list of medicines, for our own reading only: many EHRs refuse to search it, and some
clients drop the whole call then. By no status: servers differ in those they know (R5 has none)."""

# Where a release has another resource type. DSTU2's ProcedureRequest cannot be searched by status.
_OLDER: Mapping[str, Mapping[InputName, str]] = {
    "STU3": {
        InputName.SERVICE_REQUESTS: "ProcedureRequest?patient={{context.patientId}}&status=active",
    },
    "DSTU2": {
        InputName.MEDICATIONS: "MedicationOrder?patient={{context.patientId}}&status=active",
        InputName.SERVICE_REQUESTS: "ProcedureRequest?patient={{context.patientId}}",
    },
}

PAGE_SIZE = 200
"""Entries asked for in one page of our own searches; servers may give fewer."""

_ASKED = frozenset({LOINC, SNOMED})
_INTENT = "&intent=order,plan"
"""What servers by US Core demand of a search for MedicationRequest: the intents of all current
medicines (US Core, "Medication List"; drajer-health/eCRNow#280, #381). Others refuse it."""
_TOKEN = "{{context.patientId}}"  # noqa: S105  # a prefetch token, not a secret
_COUNT = re.compile(r"[?&]_count=\d+")
# FHIR ids, also longer ones (Epic: 194 characters). Never `,` or `|`: they mean more in a search.
_ID = re.compile(r"[A-Za-z0-9._~-]{1,256}")


class Queries:
    """The templates and searches for one version of the clinical content."""

    def __init__(self, value_sets: Mapping[str, Mapping[str, Any]]) -> None:
        opened = {name: value_sets[name] for name in value_sets if _holds_results(name)}
        self._codes = ",".join(observation_codes(opened))
        lasting = {name: opened[name] for name in _LASTING & opened.keys()}
        passing = {name: opened[name] for name in opened.keys() - _LASTING}
        self._lasting = ",".join(observation_codes(lasting))
        self._passing = ",".join(observation_codes(passing))

    def templates(self, names: Iterable[InputName]) -> dict[str, str]:
        """Prefetch templates by their keys (CDS Hooks 2.0 "Prefetch Template")."""
        return {str(name): self._filled(TEMPLATES[name]) for name in names}

    def dated_templates(self, names: Iterable[InputName]) -> dict[str, str]:
        """The same with dates, as CDS Hooks 3.0 has them ("Simple FHIRPath for Relative Dates"):
        results that count for a year only under a key of their own, so that they crowd out none of
        those that count for life, such as a variant of the gene of FOP."""
        found = self.templates(names)
        if InputName.OBSERVATIONS in found:
            found[InputName.OBSERVATIONS] = f"Observation?patient={_TOKEN}&code={self._lasting}"
            found[RECENT] = (
                f"Observation?patient={_TOKEN}&code={self._passing}"
                f"&date=ge{{{{today() - {RECENT_DAYS} days}}}}&_sort=-date&_count=50"
            )
        return found

    def searches(
        self, names: Iterable[InputName], patient_id: str, release: str
    ) -> dict[InputName, str]:
        """The same as relative URLs for one patient, in the resource types of a FHIR release.

        Raises ValueError for a patient id that would change what is asked for.
        """
        if not _ID.fullmatch(patient_id):
            raise ValueError("no FHIR id")
        own = {**TEMPLATES, InputName.STATEMENTS: _STATEMENTS, **_OLDER.get(release, {})}
        return {name: self._search(own[name], patient_id) for name in names}

    def lacking(
        self,
        missing: Iterable[InputName],
        pages: Mapping[InputName, str],
        wanted: Collection[str],
        patient_id: str,
        release: str,
        profile: Profile | None = None,
    ) -> dict[InputName, str]:
        """The URLs of what is `wanted` and `missing`, and of its further `pages`. The statements go
        with the orders, unless these hold all medicines by the client's profile. Raises ValueError
        as `searches` does, if anything is lacking."""
        names = set(wanted)
        if InputName.MEDICATIONS in names and not (profile and profile.orders_are_whole):
            names.add(InputName.STATEMENTS)
        absent = [name for name in missing if name in names]
        further = {name: link for name, link in pages.items() if name in names}
        if not absent and not further:
            return {}
        urls = self.searches(absent, patient_id, release)
        if profile and profile.wants_intent and InputName.MEDICATIONS in urls:
            urls[InputName.MEDICATIONS] = with_intent(urls[InputName.MEDICATIONS])
        return urls | further

    def _search(self, template: str, patient_id: str) -> str:
        url = self._filled(template).replace(_TOKEN, patient_id)
        path, mark, query = url.partition("?")
        if not mark:
            return path
        query = _COUNT.sub("", f"&{query}").removeprefix("&")
        return f"{path}?{quote(query, safe='=&,:/-._~')}&_count={PAGE_SIZE}"

    def _filled(self, template: str) -> str:
        return template.replace("RESULTS", self._codes)


def with_intent(url: str) -> str:
    """The search with `intent`, where it is one for MedicationRequest without."""
    return url + _INTENT if is_orders(url) and "&intent=" not in url else url


def without_intent(url: str) -> str:
    """The search without the `intent` that we put there."""
    return url.replace(_INTENT, "")


def is_orders(url: str) -> bool:
    """Whether this is a search for MedicationRequest."""
    return url.partition("?")[0].endswith("MedicationRequest")


def other_forms(url: str) -> tuple[str, ...]:
    """How else the same can be asked, where a server refuses it as it is: a search for
    MedicationRequest with `intent`, or without where it had one; any without paging."""
    forms = [url]
    if is_orders(url):
        forms.append(without_intent(url) if _INTENT in url else with_intent(url))
    plain = [simpler for form in forms if (simpler := without_paging(form))]
    return (*forms[1:], *plain)


def without_paging(url: str) -> str | None:
    """The search without `_sort` and `_count`, which some servers refuse; None without either."""
    path, _, query = url.partition("?")
    parts = query.split("&")
    kept = [part for part in parts if not part.startswith(("_sort=", "_count="))]
    return f"{path}?{'&'.join(kept)}" if len(kept) < len(parts) else None


def queries_of(knowledge: Knowledge) -> Queries:
    """For `Knowledge.once`: value sets are unpacked at each look."""
    return Queries(knowledge.value_sets)


def _holds_results(value_set: str) -> bool:
    return value_set.startswith("lab-") or value_set in {BROOKER, GENOMIC_FINDING}


def observation_codes(value_sets: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """`system|code` of all results that are read, sorted, each once: LOINC codes of the laboratory,
    those of a genetic variant, and the SNOMED CT code of the Brooker class."""
    return tuple(
        sorted(
            {
                f"{include['system']}|{concept['code']}"
                for name in value_sets
                if _holds_results(name)
                for include in value_sets[name]["compose"]["include"]
                if include.get("system") in _ASKED
                for concept in include.get("concept", ())
            }
        )
    )
