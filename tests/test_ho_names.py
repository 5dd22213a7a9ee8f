"""Which words of a chart are heard as heterotopic ossification: a hip arthroplasty asks then."""

from __future__ import annotations

import pytest

from cds_service.cards import trace
from tests.support.app_client import AppClient
from tests.support.builders import request
from tests.support.ehr_calls import SIGN

HEARD = """
Para-articular ossification, right hip | Paraarticular ossification hip |
Periarticular ossification of the hip | Peri-articular ossification |
Periprosthetic ossification right hip | Peri-prosthetic ossification |
Ectopic bone formation hip | Ectopic ossification around the hip |
Heterotopic bone formation | Heterotopic new bone | Heterotopic calcification hip |
Ossification, heterotopic | Myositis ossificans of the hip | Myositis ossificans |
Traumatic myositis ossificans right hip | Neurogenic heterotopic ossification |
Neurogenic ossification of hip | Brooker grade 3 right hip | Brooker III left hip |
Brooker class II HO | Heterotopic ossification (Brooker 4) | HO Brooker 3 |
Ossifications hétérotopiques de hanche | Ossification hétérotopique |
Ossifications périprothétiques | Ossifications péri-prothétiques de la hanche droite |
Ossifications para-articulaires | Ossifications péri-articulaires | Ossifications ectopiques |
Ostéome neurogène de hanche | Para-ostéo-arthropathie neurogène | Paraostéoarthropathie |
Myosite ossifiante de la hanche | Heterotope Ossifikation |
Heterotope Ossifikationen der Hüfte | Periartikuläre Ossifikationen |
Paraartikuläre Ossifikation Hüfte | Periprothetische Ossifikationen |
Periprothetische Verknöcherung | Ektope Ossifikation | Heterotope Knochenbildung |
Heterotope Verkalkung | Osificación heterotópica | Osificaciones periarticulares |
Osificaciones paraarticulares | Osificación ectópica de cadera |
Osificaciones periprotésicas | Miositis osificante de cadera | Ossificazioni eterotopiche |
Ossificazioni periprotesiche | Ossificazioni paraarticolari | Ossificazione ectopica |
Miosite ossificante | Ossificação heterotópica | Ossificações periarticulares |
Ossificação ectópica | Ossificações periprotéticas | Miosite ossificante do quadril |
Heterotope ossificatie heup | Periarticulaire ossificaties | Ectopische botvorming |
Heterotope botvorming | Heterotop benbildning | Ektopisk benbildning |
Heterotop ossifikation hofte | Ektopisk knogledannelse | Heterotop knogledannelse |
Heterotop beindannelse | Ektopisk beindannelse | Periartikulær forbening |
Heterotooppinen luutuminen | Ektooppinen luutuminen | Heterotooppinen luunmuodostus |
Kostnienie heterotopowe | Skostnienia okołostawowe | Skostnienia heterotopowe |
Kostnienie ektopowe | Heterotopické osifikace | Periartikulární osifikace |
Paraartikulární osifikace | Osifikace v okolí kyčle | Ostéome para-articulaire de hanche |
Verknöcherung der Hüfte | Verknöcherung Hüfte nach TEP | Ossifikation Hüftgelenk bds. |
이소골 절제술 | 이소골화증 | 異所性骨化 | 股関節異所性骨化症 | 異所骨化 | 骨化性筋炎 |
이소성 골화 | 이소성 골화증 고관절 | 골화성 근염 | 异位骨化 | 髋关节异位骨化 | 骨化性肌炎
"""
NOT_HEARD = """
No heterotopic ossification | No HO | Risk of heterotopic ossification |
At risk for heterotopic ossification | HO prophylaxis | Heterotopic ossification prophylaxis |
Prophylaxis against heterotopic ossification | Prevention of heterotopic ossification |
To prevent heterotopic ossification | No periarticular ossification |
Without myositis ossificans | No evidence of periprosthetic ossification |
Periarticular ossification excluded | Pas d'ossifications périprothétiques |
Absence d'ossifications hétérotopiques | Risque d'ossification hétérotopique |
Prophylaxie des ossifications hétérotopiques | Keine heterotope Ossifikation |
Keine periprothetischen Ossifikationen | Ossifikationsprophylaxe |
Prophylaxe heterotoper Ossifikationen | Risiko heterotoper Ossifikation |
Sin osificaciones periarticulares | Riesgo de osificación heterotópica |
Profilaxis de osificación heterotópica | Nessuna ossificazione eterotopica |
Profilassi delle ossificazioni eterotopiche | Sem ossificação heterotópica |
Risco de ossificação heterotópica | Geen heterotope ossificatie |
Risico op heterotope ossificatie | Ingen heterotop benbildning |
Ingen heterotop ossifikation | Ei heterotooppista luutumista | Bez kostnienia heterotopowego |
Bez heterotopických osifikací | 異所性骨化なし | 異所性骨化の予防 | 異所性骨化のリスク |
Keine Ossifikation Hüftgelenk | Bez osifikace kyčle | Ostéome ostéoïde |
이소성 골화 없음 | 无异位骨化 | 异位骨化预防 | Brooker 0 | Brooker grade 0 right hip |
Mother: heterotopic ossification | Heterotopic ossification of elbow |
Myositis ossificans of the left biceps | Periarticular ossification of the shoulder |
Ectopic pregnancy | Ectopic bone marrow | Periprosthetic fracture | Periprosthetic infection |
Ossification of posterior longitudinal ligament | Periarticular osteopenia |
Heterotopic pancreas | Delayed ossification | 骨化性筋炎 肘 | 后纵韧带骨化 | Otosclerosis |
Patient education: heterotopic ossification risk
"""
GENETIC = """
Myositis ossificans progressiva | Progressive myositis ossificans | Myosite ossifiante progressive |
Miositis osificante progresiva | Miosite ossificante progressiva | 進行性骨化性筋炎 |
进行性骨化性肌炎
"""


def listed(words: str) -> list[str]:
    return " ".join(words.split()).split(" | ")


def cards(client: AppClient, words: str) -> list[str]:
    """The ids of the cards before a hip replacement, with these words in the problem list."""
    chart = {"conditions": [f"text {words}"]}
    patient = {"age": 60, "sex": "female"}
    body = request({"patient": patient, "orders": ["right hip replacement"], "chart": chart})
    found = client.post(SIGN, json=body).json()["cards"]
    return [card["extension"][trace.NAME]["card"] for card in found]


@pytest.mark.parametrize("words", listed(HEARD))
def test_it_is_asked_about(client: AppClient, words: str) -> None:
    assert cards(client, words) == ["ho-question"]


@pytest.mark.parametrize("words", listed(NOT_HEARD))
def test_it_is_not_asked_about(client: AppClient, words: str) -> None:
    assert cards(client, words) == []


@pytest.mark.parametrize("words", listed(GENETIC))
def test_the_genetic_disease_is_asked_about_alone(client: AppClient, words: str) -> None:
    assert cards(client, words) == ["genetic-question"]
