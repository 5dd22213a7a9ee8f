"""The transparency sheet: what a committee must see before use, as a page that prints."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator

from cds_service.knowledge import evidence_places
from cds_service.knowledge.when import Model, Text
from cds_service.server.pages.html import page, render
from cds_service.server.routes import runtime_of

router = APIRouter(prefix=evidence_places.PAGE)

PREDICTIVE = 31
"""Source attributes of predictive interventions in 45 CFR 170.315(b)(11)(iv)(B)."""
_FILE = Path(__file__).parent / "content" / "transparency.yaml"


class SheetStatement(Model):
    """One attribute or criterion, and how it is met here."""

    name: Text
    said: Text


class Predictive(Model):
    """What is given of the source attributes of predictive interventions, and what is not."""

    applies: Text
    answered: tuple[SheetStatement, ...] = Field(min_length=1)
    not_applicable: tuple[Text, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _all_of_them(self) -> Predictive:
        if len(self.answered) + len(self.not_applicable) != PREDICTIVE:
            raise ValueError(f"the rule has {PREDICTIVE} attributes")
        return self


class Sheet(Model):
    """The whole sheet. Sources: 45 CFR 170.315(b)(11)(iv); FD&C Act, section 520(o)(1)(E)."""

    source_attributes: tuple[SheetStatement, ...] = Field(min_length=13, max_length=13)
    predictive: Predictive
    fda_criteria: tuple[SheetStatement, ...] = Field(min_length=4, max_length=4)
    intended_population: Text
    out_of_scope: Text
    risks: tuple[Text, ...] = Field(min_length=1)
    maintenance: Text
    sign_off: tuple[Text, ...] = Field(min_length=1)


@cache
def load() -> Sheet:
    """Read the content. Raises pydantic's ValidationError, which a test keeps from happening."""
    return Sheet.model_validate(yaml.safe_load(_FILE.read_bytes()))


@router.api_route("/transparency", methods=["GET", "HEAD"])
def show_sheet(request: Request) -> Response:
    """The sheet alone, for paper."""
    knowledge = runtime_of(request).knowledge
    return page(render("transparency.html", knowledge, sheet=load()), request)
