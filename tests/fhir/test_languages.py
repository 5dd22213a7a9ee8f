"""Denials, relatives and other joints in sixteen languages, beside the names of a disease."""

from __future__ import annotations

import pytest

from cds_service.clinical.chart import Provenance
from cds_service.fhir.mentions import mentions_of
from cds_service.knowledge.loader import Knowledge
from tests.fhir.test_mentions import DENIALS, LEFT_OPEN

SOURCE = Provenance("Condition/c1", None, "")
NOTHING = (
    "pas d'ossification hétérotopique",
    "Pas d'ossification hétérotopique de la hanche droite",
    "absence d'ossifications hétérotopiques",
    "sans ossification hétérotopique",
    "pas de FOP",
    "FOP exclue",
    "FOP : exclue par test génétique",
    "FOP (foramen ovale perméable)",
    "AVC sur FOP, foramen ovale perméable",
    "sin osificaciones heterotópicas",
    "No se observan osificaciones heterotópicas",
    "sin antecedentes de FOP",
    "FOP descartada",
    "nessuna ossificazione eterotopica",
    "Senza ossificazioni eterotopiche",
    "FOP esclusa",
    "sem ossificação heterotópica",
    "não há história de ossificação heterotópica",
    "FOP excluída",
    "geen heterotope ossificatie",
    "Geen aanwijzingen voor heterotope ossificaties van de heup",
    "FOP uitgesloten",
    "ingen heterotop ossifikation",
    "Inga tecken på heterotop ossifikation",
    "FOP utesluten",
    "ingen heterotop ossifikasjon",
    "Ingen tegn til heterotop ossifikasjon",
    "FOP udelukket",
    "ei heterotooppista luutumista",
    "FOP suljettu pois",
    "brak skostnień heterotopowych",
    "bez skostnień heterotopowych",
    "FOP wykluczono",
    "bez heterotopické osifikace",
    "FOP vyloučena",
    "異所性骨化なし",
    "異所性骨化を認めない",
    "FOPは否定",
    "이소성 골화 없음",
    "FOP 배제됨",
    "无异位骨化",
    "未见异位骨化",
    "否认FOP",
    "keine heterotopen Ossifikationen",
    "Kein Nachweis heterotoper Ossifikationen",
    "keine periartikulären Ossifikationen",
    "Ossification hétérotopique du coude droit",
    "Heterotopic ossification of the left elbow",
    "Heterotope Ossifikation Ellenbogen",
    "異所性骨化 肘関節",
    "Osificación heterotópica de codo",
    "mother: heterotopic ossification",
    "Vater mit heterotoper Ossifikation",
)
RELATIVES = (
    "madre con FOP",
    "mother has FOP",
    "Mutter mit FOP",
    "Mutter: FOP",
    "FOP bei der Mutter",
    "mère atteinte de FOP",
    "FOP chez le père",
    "madre affetta da FOP",
    "mãe com FOP",
    "moeder heeft FOP",
    "mor har FOP",
    "far har FOP",
    "äidillä on FOP",
    "matka ma FOP",
    "matka má FOP",
    "母がFOP",
    "家族歴：FOP",
    "어머니 FOP",
    "母亲患有FOP",
    "FOP (mother)",
    "Familienanamnese: FOP",
    "Antécédents familiaux de FOP",
    "fibrodisplasia osificante progresiva en la madre",
)
OWN = (
    "Ossification hétérotopique de la hanche, pas de douleur",
    "pas de douleur, ossification hétérotopique",
    "pas d'opération sans avis FOP",
    "Pas d'injection IM : FOP",
    "FOP non exclue",
    "FOP à exclure",
    "si FOP",
    "No operar: FOP",
    "sin cirugía hasta descartar FOP",
    "FOP no descartada",
    "FOP non esclusa",
    "non operare: FOP",
    "FOP niet uitgesloten",
    "geen IM injecties, FOP",
    "ingen biopsi, FOP",
    "FOP ej utesluten",
    "FOP ikke utelukket",
    "ei lihakseen, FOP",
    "FOP ei poissuljettu",
    "nie wykluczono FOP",
    "brak zgody, FOP",
    "FOP není vyloučena",
    "FOP疑い",
    "FOPは否定できない",
    "FOP 의심",
    "疑FOP",
    "无过敏史。FOP",
    "FOP未排除",
    "Mother asked; patient has FOP",
    "FOP, mother informed",
    "Mutter berichtet: Patientin hat FOP",
    "keine Biopsie, FOP bekannt",
    "kein Zweifel: FOP",
    "mère porteuse, patiente elle-même FOP",
    "Heterotopic ossification of hip and elbow",
    "Heterotope Ossifikationen der Hüfte beidseits",
    "heterotooppista luutumista lonkassa",
    "Skostnienia heterotopowe biodra",
    "FOP in mother and patient",
    "No allergies. FOP.",
)


def said(knowledge: Knowledge, text: str) -> list[tuple[str, bool]]:
    """The diseases that a text names, and whether a relative has them."""
    found = knowledge.once(mentions_of).uncoded({"code": {"text": text}}, SOURCE)
    return [(mention.disease, mention.of_relative) for mention in found]


@pytest.mark.parametrize("text", [*NOTHING, *DENIALS])
def test_denied_or_elsewhere_asks_nothing(knowledge: Knowledge, text: str) -> None:
    assert [one for one in said(knowledge, text) if one != ("ho", True)] == []


@pytest.mark.parametrize("text", RELATIVES)
def test_disease_of_a_relative(knowledge: Knowledge, text: str) -> None:
    assert said(knowledge, text) == [("fop", True)]


@pytest.mark.parametrize("text", [*OWN, *LEFT_OPEN])
def test_what_is_not_plainly_denied_asks(knowledge: Knowledge, text: str) -> None:
    assert any(not of_relative for _, of_relative in said(knowledge, text))


@pytest.mark.parametrize(
    "word", ["of ", "父母", "the ", "no ", "(", " ", "family history of ", "FOP "]
)
def test_a_word_a_thousand_times_is_no_trap(knowledge: Knowledge, word: str) -> None:
    said(knowledge, word * 1_000 + "FOP" + word * 1_000)
