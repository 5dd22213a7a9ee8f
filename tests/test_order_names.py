"""Which words of an order are heard as a hip prosthesis, where no code of it can be read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app_client import AppClient
from tests.support.builders import request
from tests.support.ehr_calls import SIGN

HEARD = """
PTH droite | PTH gauche | Changement de PTH | Reprise PTH G | PTH D | PTH bilatérale |
Pose de PTH | PTH hanche gauche | H-TEP re | H-TEP li | HTEP rechts | TEP Hüfte |
TEP Hüfte li. | Hüft TEP | TEP-Wechsel Hüfte links | 右THA | 左THA | 左THR | 両側THA |
THA(右) | 人工股関節 | 人工関節置換術(股) | 人工関節置換術（股関節） | 人工股関節再置換術 |
大腿骨人工骨頭挿入術 | THR | THA | THP | L THR | R THA | Rt THR | LTHR | RTHA | THR left |
Revision THR | THA revision, infected | Left hip hemi | Hip hemi, left | Hemi hip |
Hip hemi - cemented | Right hip bipolar | cemented hemi, hip R | ATC cadera |
ATC cadera derecha | ATC derecha | PTC izquierda | PTA anca | PTA d'anca destra |
PTA anca sx | anca dx: PTA | THP rechts | THP li | THP heup | ATQ direita | PTQ esquerda |
엉덩이관절 전치환술 | CKP kyčle | Oberflächenersatz Hüfte | Gelenkersatz Hüfte | hip TJR left |
ATH gauche | PIH droite | BHR right | TEP kyčle vpravo | TEP coxae l.sin. |
náhrada kyčelního kloubu | Tekonivelleikkaus, lonkka | Vervanging heup links |
Recambio de cadera | Pfannenwechsel links | Duokopf-Prothese li | Changement de cupule |
Acetabular revision | THA 우측 | 우측 THA | 고관절 인공관절 | 髋关节翻修术 | 人工全髋 |
全髖關節置換 | Endoproteza biodra | THR hofte | Höftprotes vä | THA hø | Hüft-HEP rechts |
Hoftealloplastik | Total hip replacement | Hip arthroplasty | thr left | left tha |
pth droite
"""
NOT_HEARD = """
PTH | PTH intact | PTH intacte | Intact PTH | Dosage PTH | PTH level right IJ |
PTH venous sampling left | Intraoperative PTH | PTH 1-84 | PTHrP | iPTH |
PTH, Calcium, Vitamin D | Vit D PTH | PTH im Serum | Parathormon (PTH) |
副甲状腺ホルモン PTH | PTH（血清） | PTH wert rechts | KTEP | KTEP rechts | K-TEP li |
Knie-TEP rechts | TEP Knie li | Schulter-TEP links | TEP Leistenhernie rechts | TEP |
TEP rechts | TEP inguinal hernia repair left | TEP scanner | TEP-TDM | TEP-scan hanche |
PTA rechts | PTA links | PTA femoral right | PTA | PTA A. iliaca li | ATC | ATC code |
ATC right lobe | ATC N02BE01 | PTC | PTC drainage right | Papillary thyroid cancer PTC |
THR gene | THR receptor mutation left | THA level | THP tablet | Trihexyphenidyl THP 2 mg |
PIH | PIH right eclampsia | BHR | BHA | 人工膝関節 | 右TKA | 左TKA | TKR | L TKR |
人工肩関節置換術 | 人工骨頭挿入術(上腕骨頭)肩関節 | Right hip hemiplegia exam |
Hemipelvectomy | Hip hemi-spica cast | Hemiplegia hip splint | Total knee replacement |
RTG TEP kyčle | Rentgen TEP kyčle | Kontrola po TEP kyčle | Aufklärung Hüft-TEP |
Reponering av höftprotes | Knieersatz bei Hüftdysplasie | Zahnersatz |
THR x-ray right | XR hip prosthesis | Physio THR left | Z.n. H-TEP rechts |
Porteur de PTH droite | Réduction luxation PTH D | Dislocated THR right, reduction |
DXA total hip | Hip MRI | Shoulder arthroplasty | THAL right | Tha anh left |
Pathology right | math left | Nothalgia | Ankle replacement | ATCD droite | THA after |
Hüftsono | Hip injection | Hüftkopf | Status post THA left | pth | no thr left | Pathway
"""
SURGERY = {"coding": [{"system": "http://snomed.info/sct", "code": "387713003"}]}


def listed(words: str) -> list[str]:
    return " ".join(words.split()).split(" | ")


def cards(client: AppClient, words: str, **more: Any) -> list[Any]:
    """The cards for an order in words, in the chart of a woman with previous HO."""
    history = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
    chart = {"conditions": [history]}
    body = request({"patient": {"age": 60, "sex": "female"}, "orders": ["text X"], "chart": chart})
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order |= {"code": {"text": words}, **more}
    found: list[Any] = client.post(SIGN, json=body).json()["cards"]
    return found


@pytest.mark.parametrize("words", listed(HEARD))
def test_a_hip_prosthesis_is_heard(client: AppClient, words: str) -> None:
    (card,) = cards(client, words)

    assert card["indicator"] == "info"
    assert card["summary"].startswith("Not understood: ")


@pytest.mark.parametrize("words", listed(NOT_HEARD))
def test_something_else_is_not_heard(client: AppClient, words: str) -> None:
    assert cards(client, words) == []


@pytest.mark.parametrize("words", ["PTH", "Insertion of BHR"])
def test_an_abbreviation_counts_beside_the_category_of_surgery(
    client: AppClient, words: str
) -> None:
    assert cards(client, words, category=[SURGERY])
    assert not cards(client, words)


def test_the_category_of_surgery_does_not_make_a_hormone_a_prosthesis(client: AppClient) -> None:
    assert not cards(client, "Parathyroidectomy with PTH assay", category=[SURGERY])


def test_an_abbreviation_counts_beside_a_side_of_the_body(client: AppClient) -> None:
    left = {"coding": [{"system": "http://snomed.info/sct", "code": "7771000"}]}

    assert cards(client, "BHA", bodySite=[left])


def test_a_code_that_says_only_surgery_leaves_the_words_to_tell(client: AppClient) -> None:
    assert cards(client, "X", code={**SURGERY, "text": "Total hip replacement"})
