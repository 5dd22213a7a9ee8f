"""Runs the FHIR package in an engine of others: clinical reasoning of the CQF project (Java)."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.knowledge.published import archive
from tests.support.fhir_package import unpacked
from tests.support.hapi_server import HapiMissing, lacking, prepare

SOURCES = Path(__file__).parents[1] / "system" / "second_engine"
LIBRARIES = ("HOTriggers", "HOFactors", "HOGenetic", "HOExclusions")
KNOWN: Mapping[str, InputName] = {
    "Conditions Known": InputName.CONDITIONS,
    "Procedures Known": InputName.PROCEDURES,
    "Medications Known": InputName.MEDICATIONS,
    "Allergies Known": InputName.ALLERGIES,
    "Family History Known": InputName.FAMILY_HISTORY,
}
_OPTIONS = ("-Xmx2g", "-XX:+UseSerialGC")


@dataclass(frozen=True, slots=True)
class Said:
    """What the engine says of one patient.

    `actions` are the ids of the actions that apply, `defines` the values by library and define
    (None where the engine says null), `drafts` the resources that it made, `errors` what it
    complained of. `plan_ms` and `defines_ms` are CPU milliseconds of `$apply` and of all defines.
    """

    id: str
    actions: frozenset[str]
    defines: Mapping[str, Mapping[str, bool | None]]
    drafts: tuple[str, ...]
    errors: tuple[str, ...]
    plan_ms: float
    defines_ms: float


@functools.cache
def class_path() -> str:
    """The class path of the engine, compiled once a process. Raises HapiMissing."""
    if why := lacking():
        raise HapiMissing(why)
    return prepare(Path(tempfile.mkdtemp(prefix="second-engine-")), SOURCES)


class SecondEngine:
    """The engine in a process of its own, started once for all patients, when it is needed."""

    def __init__(self) -> None:
        self._started: subprocess.Popen[str] | None = None
        self._loaded: Knowledge | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._started is not None:
            self._started.communicate()

    @property
    def _process(self) -> subprocess.Popen[str]:
        if self._started is None:
            command = [str(shutil.which("java")), *_OPTIONS, "-cp", class_path(), "Judge"]
            self._started = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._started

    def need(self, knowledge: Knowledge) -> None:
        """Load the content unless it is the one that is loaded. Raises HapiMissing."""
        if self._loaded is not knowledge:
            self.load(knowledge)

    def load(self, knowledge: Knowledge) -> int:
        """Export the content and load it; gives the number of its resources. Raises HapiMissing."""
        self._loaded = knowledge
        with tempfile.TemporaryDirectory() as folder:
            package = unpacked(archive.package(knowledge), Path(folder))
            return int(self._asked({"package": str(package)})["loaded"])

    def ask(
        self,
        call: Mapping[str, Any],
        today: date,
        known: Mapping[str, bool],
        *,
        once: bool = True,
        defines: Sequence[str] = LIBRARIES,
    ) -> Said:
        """What it says of the patient of a call. `known` are the parameters of HOFacts.

        With `once` the defines are asked once for all conditions of `$apply`. Without it the engine
        asks for each condition by itself, as it does for everybody: the same answer, and the cost
        that a user has.
        """
        patient = str(call["context"]["patientId"]).split("/")[-1]
        asked: dict[str, Any] = {
            "id": patient,
            "patient": patient,
            "today": today.isoformat(),
            "bundle": bundle_of(call),
            "parameters": dict(known),
            "plan": True,
            "once": once,
            "defines": list(defines),
        }
        said = self._asked(asked)
        return Said(
            patient,
            frozenset(said.get("actions", ())),
            said.get("defines", {}),
            tuple(said.get("drafts", ())),
            tuple(said.get("errors", ())),
            float(said.get("plan_ms", 0)),
            float(said.get("defines_ms", 0)),
        )

    def _asked(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("pipes were asked for")
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the engine ended")
        said: dict[str, Any] = json.loads(line)
        if "DataFormatException" in said.get("error", ""):
            raise Unreadable(said["error"])
        if "error" in said:
            raise AssertionError(f"the engine could not answer: {said['error']}")
        return said


class Unreadable(Exception):
    """The FHIR reader of the engine refuses a resource of the call: no patient for it."""


def bundle_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a call as one Bundle for an engine: the record, and the drafts instead of their
    stored versions. What has no id gets one."""
    found: dict[str, Any] = {}
    for number, resource in enumerate([*_record(call), *_drafts(call)]):
        name = f"{resource.get('resourceType')}/{resource.get('id') or f'no-id-{number}'}"
        found[name] = {**resource, "id": name.split("/", 1)[1]}
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in found.values()],
    }


def _record(call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for value in (call.get("prefetch") or {}).values():
        yield from _resources(value)


def _drafts(call: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    return _resources(call["context"].get("draftOrders"))


def _resources(value: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        return
    if value.get("resourceType") != "Bundle":
        yield value
    for entry in value.get("entry") or ():
        if isinstance(entry.get("resource"), dict):
            yield entry["resource"]


@contextmanager
def loaded(knowledge: Knowledge) -> Iterator[SecondEngine]:
    """The engine with the package of a content. Raises HapiMissing."""
    with SecondEngine() as engine:
        engine.load(knowledge)
        yield engine
