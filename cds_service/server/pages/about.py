"""What heterotopic ossification is, for the evidence page: checked content in our own words."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from cds_service.knowledge.when import Id, Model, Text

_FILE = Path(__file__).parent / "content" / "about.yaml"


class Part(Model):
    """One section. `reconstructed`: what the source document says here was not to be had."""

    id: Id
    title: Text
    text: tuple[Text, ...] = ()
    points: tuple[Text, ...] = ()
    evidence: tuple[Id, ...] = Field(min_length=1)
    reconstructed: bool = False


class Grade(Model):
    """One Brooker grade: the original wording, the source document's in ours, and its sketch."""

    grade: Literal["I", "II", "III", "IV"]
    original: Text
    source: Text
    alt: Text

    @property
    def picture(self) -> str:
        """Path of the sketch below the static folder."""
        return f"img/brooker-{self.grade.lower()}.svg"


class Brooker(Model):
    """The grading of HO after hip replacement."""

    text: tuple[Text, ...]
    evidence: tuple[Id, ...] = Field(min_length=1)
    grades: tuple[Grade, ...] = Field(min_length=4, max_length=4)


class About(Model):
    """The whole file."""

    sections: tuple[Part, ...] = Field(min_length=1)
    questions: tuple[Text, ...] = Field(min_length=1)
    brooker: Brooker


def load() -> About:
    """Read the content. Raises pydantic's ValidationError, which a test keeps from happening."""
    return About.model_validate(yaml.safe_load(_FILE.read_bytes()))
