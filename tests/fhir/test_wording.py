"""What a source says in words is heard in sixteen languages; what nobody understands is not taken
for harmless."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir.completeness import SignalTable, signals_of
from cds_service.fhir.signal import Signal
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName

WITHHELD = (
    "Two diagnoses are hidden from your role",
    "You do not have access to all departments",
    "The patient opted out of sharing",
    "Drei Diagnosen sind für Sie nicht einsehbar",
    "Der Patient hat der Weitergabe widersprochen",
    "Zugriff auf Teile der Akte verweigert",
    "Le patient s'est opposé au partage",
    "Éléments non communiqués (secret médical)",
    "El paciente no autorizó compartir sus datos",
    "L'assistito ha oscurato due documenti",
    "Dados sigilosos não exibidos",
    "De patiënt gaf geen toestemming",
    "Alla uppgifter visas inte",
    "Patienten har begrænset adgangen",
    "Opplysninger er skjermet",
    "Potilas on kieltänyt tietojen luovutuksen",
    "Brak uprawnień do części danych",
    "Pacient neudělil souhlas",
    "閲覧権限がありません",
    "환자 동의가 없어 보여 드릴 수 없습니다",
    "您无权查看全部数据",
)
PARTIAL = (
    "The result set was trimmed",
    "Zwei Befunde wurden nicht übermittelt",
    "Die Liste ist moeglicherweise unvollstaendig",
    "Liste non exhaustive",
    "Se han excluido tres registros",
    "Nem todos os registros foram retornados",
    "L'elenco è incompleto",
    "Niet alle gegevens konden worden opgehaald",
    "Uppgifter saknas",
    "Nogle resultater er udeladt",
    "Opplysninger mangler",
    "Tulokset ovat puutteellisia",
    "Wyniki są niekompletne",
    "Seznam není úplný",
    "検索結果は不完全です",
    "목록이 불완전합니다",
    "资料不完整",
)
UNKNOWN = (
    "No information available",
    "The patient was not asked",
    "Keine Angaben",
    "Aucune information",
    "Sin información",
    "Onbekend",
    "Nie wiadomo",
    "情報がありません",
    "不详",
)
FOREIGN = (
    "Egyes eredmények rejtve vannak",
    "Bazı sonuçlar gizlendi",
    "Некоторые результаты скрыты",
    "بعض النتائج مخفية",
)
HARMLESS = (
    "Page 1 of 1",
    "search took 5 ms",
    "No results found",
    "Search completed successfully in 0.12 s",
    "Showing 1-10 of 10",
    "5 records found. Sorted by date, newest first.",
    "Seite 2 von 3",
    "Die Suche dauerte 12 ms",
    "Aucun résultat trouvé",
    "Nessun risultato trovato",
    "検索が完了しました(12ミリ秒)",
    "검색 결과가 없습니다",
    "共3条结果",
    "Unknown search parameter '_foo' was ignored",
    "No issues detected during validation",
    "Duplicates were removed",
    "No records were withheld.",
    "Request-Id: 3f2a9c1b-77aa",
)


@pytest.fixture(scope="module")
def signals(knowledge: Knowledge) -> SignalTable:
    return knowledge.once(signals_of)


def _outcome(severity: str, code: str, words: str | None = None, **more: Any) -> dict[str, Any]:
    issue = {"severity": severity, "code": code} | ({"diagnostics": words} if words else {})
    return {"resourceType": "OperationOutcome", "issue": [issue]} | more


def _state(signal: Signal | None) -> str | None:
    return signal.state if signal else None


CODED = pytest.mark.parametrize(
    ("severity", "code"),
    [
        ("information", "informational"),
        ("information", "processing"),
        ("warning", "informational"),
        ("warning", "processing"),
    ],
)


@CODED
@pytest.mark.parametrize(
    ("words", "state"),
    [
        *((words, "withheld") for words in WITHHELD),
        *((words, "partial") for words in PARTIAL),
        *((words, "unknown") for words in UNKNOWN),
        *((words, "partial") for words in FOREIGN),
    ],
)
def test_words_are_heard(
    signals: SignalTable, severity: str, code: str, words: str, state: str
) -> None:
    assert _state(signals.of_outcome(_outcome(severity, code, words), alone=False)) == state


@CODED
@pytest.mark.parametrize("words", HARMLESS)
def test_harmless_words_say_nothing(
    signals: SignalTable, severity: str, code: str, words: str
) -> None:
    assert signals.of_outcome(_outcome(severity, code, words), alone=False) is None


@pytest.mark.parametrize(
    ("severity", "code", "words", "state"),
    [
        # Severity and code come first: a note is a note unless its words say more.
        ("information", "informational", None, None),
        ("information", "processing", None, None),
        ("success", "success", None, None),
        ("warning", "informational", None, None),
        ("warning", "processing", None, "partial"),
        ("error", "informational", None, "failed"),
        # Words that nobody knows: English is a note where severity and code say so.
        ("information", "informational", "This server runs R4B", None),
        ("information", "processing", "This server runs R4B", "partial"),
        ("warning", "informational", "This server runs R4B", "partial"),
        ("information", "informational", "One of the sources did not respond", "partial"),
        ("information", "suppressed", "No results found", "withheld"),
    ],
)
def test_severity_and_code_come_first(
    signals: SignalTable, severity: str, code: str, words: str | None, state: str | None
) -> None:
    assert _state(signals.of_outcome(_outcome(severity, code, words), alone=False)) == state


def test_one_sentence_among_harmless_ones_is_heard(signals: SignalTable) -> None:
    told = "Page 1 of 1. Deux résultats masqués. Search took 5 ms."
    outcome = _outcome("information", "informational", told)
    assert _state(signals.of_outcome(outcome, alone=False)) == "withheld"


def test_a_narrative_is_heard(signals: SignalTable) -> None:
    said = {"status": "generated", "div": "<div><p>Einige Befunde sind <b>gesperrt</b>.</p></div>"}
    silent = {"status": "generated", "div": "<div><h1>Operation Outcome</h1>INFORMATION</div>"}

    for narrative, state in ((said, "withheld"), (silent, None)):
        outcome = _outcome("information", "informational", text=narrative)
        assert _state(signals.of_outcome(outcome, alone=False)) == state


_NARRATIVE = {"div": "<div>Le médecin n'a pas le droit de consulter la liste</div>"}
_ENTRY = [{"item": {"reference": "Condition/c"}}]


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ({"note": [{"text": "情報の一部は非表示です"}]}, "withheld"),
        ({"note": [{"text": "Some entries are missing"}], "entry": _ENTRY}, "partial"),
        ({"text": _NARRATIVE}, "withheld"),
        ({"text": {"div": "<div>Allergien: unbekannt</div>"}}, "unknown"),
        # Beside entries a narrative speaks of these.
        ({"text": {"div": "<div>Restricted mobility</div>"}, "entry": _ENTRY}, None),
        ({"note": [{"text": "Reviewed in clinic"}], "text": {"div": "<div>None</div>"}}, None),
    ],
)
def test_a_list_says_so_in_words(
    signals: SignalTable, members: dict[str, Any], state: str | None
) -> None:
    listed = {"resourceType": "List", "status": "current", "mode": "working"} | members
    found = dict(signals.of_lists(listed, InputName.CONDITIONS))
    assert _state(found.get(InputName.CONDITIONS)) == state


def test_a_section_of_a_document_says_so_in_words(signals: SignalTable) -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "48765-2"}]}
    sections = [{"code": code, "text": {"div": "<div>Allergieën zijn afgeschermd</div>"}}]
    document = {"resourceType": "Composition", "section": sections}
    found = dict(signals.of_lists(document, None))
    assert _state(found.get(InputName.ALLERGIES)) == "withheld"


def test_long_texts_cost_little(signals: SignalTable) -> None:
    """Patterns with gaps meet a text made for them."""
    for piece in ("not ", "ei ", "nicht x ", "no se ", "page ", "a" * 50 + " "):
        signals.of_outcome(_outcome("information", "informational", piece * 20_000), alone=False)
