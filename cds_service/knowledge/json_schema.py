"""The shape of the content files and of `overlay.yaml` as JSON Schema, for editors."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from cds_service.knowledge.overlay_schema import Overlay
from cds_service.knowledge.reading import FILES, SECTIONS

FILE: Final = "schema.json"
"""Beside the content files, whose first line names it."""

_TITLE: Final = "Clinical content of cds-service"
_ABOUT: Final = (
    "One content file, or a site overlay. Ids that name each other, codes, and numbers that go "
    "together are checked by `cds-service knowledge check`, not here."
)


def content_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of any one of the files, from the models that read them.

    Each top-level key stands in one file only, so one schema serves all: a key asks for the others
    of its file.
    """
    models = [section[3] for section in SECTIONS] + [Overlay]
    references, definitions = models_json_schema([(model, "validation") for model in models])
    properties: dict[str, Any] = {
        key: {"type": "array", "items": references[model, "validation"]}
        if many
        else references[model, "validation"]
        for _, key, _, model, many in SECTIONS
    }
    keys = {file: [s[1] for s in SECTIONS if s[0] == file] for file in FILES}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        "description": _ABOUT,
        "type": "object",
        "properties": properties | {"overlay": references[Overlay, "validation"]},
        "additionalProperties": False,
        "minProperties": 1,
        "dependentRequired": {
            key: [other for other in of_file if other != key]
            for of_file in keys.values()
            for key in of_file
            if len(of_file) > 1
        },
        **definitions,
    }


def schema_text() -> str:
    """The schema as it is printed and kept."""
    return json.dumps(content_schema(), indent=2, ensure_ascii=False) + "\n"
