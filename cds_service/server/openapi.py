"""The description of the HTTP interface as an OpenAPI 3.1 document, made from the wire models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw
from pydantic import BaseModel

from cds_service import __version__
from cds_service.cdshooks import models
from cds_service.knowledge.schema import HookService

_REF = "#/components/schemas/"
_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": r"\S"}
_ERRORS = {
    "400": "The body is no CDS Hooks request; the place is named.",
    "401": "Authentication is required. Every 401 reads the same.",
    "403": "The client is not registered for this hook.",
    "404": "There is no such service, or it keeps no feedback.",
    "408": "The body did not arrive in time.",
    "412": "Required FHIR data is not in prefetch, and no usable FHIR access was given.",
    "413": "The body is larger than the service reads.",
    "415": "An encoding or media type that is not read.",
    "421": "Nobody is registered, and the Host header names another host than this one.",
    "429": "The client calls, or reports, more often than it may: Retry-After.",
    "500": "A bug of the service; the order was not checked.",
    "503": "Too many calls at once, or the database does not answer: Retry-After.",
}


@dataclass(frozen=True, slots=True)
class CallExample:
    """A request of an invented patient and its answer, as JSON."""

    request: Raw
    answer: Raw


Examples = Mapping[str, CallExample]
"""By the name of the hook."""


def document(
    services: Mapping[str, tuple[HookService, ...]], examples: Examples | None = None
) -> bytes:
    """The whole document as JSON; `services` by the id in their URL, one for each hook.

    `examples` stand beside the shapes of the calls of their hooks.
    """
    schemas: dict[str, Any] = {"OperationOutcome": _OUTCOME, "Feedback": _FEEDBACK}
    for model in (models.Discovery, models.CDSResponse):
        _add(schemas, model)
    paths: dict[str, Any] = {
        "/cds-services": {"get": _operation("Discovery", "Discovery", ["401"])},
        "/health/live": {"get": _operation("The process answers", None)},
        "/health/ready": {"get": _operation("State of the parts", None)},
    }
    for id_, on_hooks in services.items():
        requests = [_request(service) for service in on_hooks]
        schemas[f"Request-{id_}"] = requests[0] if len(requests) == 1 else {"oneOf": requests}
        example = (examples or {}).get(on_hooks[-1].hook)
        paths[f"/cds-services/{id_}"] = {"post": _call(id_, on_hooks[-1], example)}
        paths[f"/cds-services/{id_}/feedback"] = {"post": _feedback()}
    paths |= _FHIR_PATHS
    described = {
        "openapi": "3.1.0",
        "info": {"title": "cds-service", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"jwt": []}, {}],
    }
    return msgspec.json.encode(described)


def _add(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization", ref_template=_REF + "{model}")
    schemas |= schema.pop("$defs", {})
    schemas[model.__name__] = schema


def _operation(summary: str, schema: str | None, errors: list[str] | None = None) -> dict[str, Any]:
    content = {"$ref": _REF + schema} if schema else {"type": "object"}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": content}}},
            **{status: _error(status) for status in errors or ()},
        },
    }


def _error(status: str) -> dict[str, Any]:
    schema = {"$ref": f"{_REF}OperationOutcome"}
    return {
        "description": _ERRORS[status],
        "content": {"application/json": {"schema": schema}},
    }


def _call(id_: str, service: HookService, example: CallExample | None) -> dict[str, Any]:
    operation = _operation(service.title, "CDSResponse", list(_ERRORS))
    content: dict[str, Any] = {"schema": {"$ref": f"{_REF}Request-{id_}"}}
    if example is not None:
        content["example"] = example.request
        answered = operation["responses"]["200"]["content"]["application/json"]
        answered["example"] = example.answer
    body = {"required": True, "content": {"application/json": content}}
    return operation | {"description": service.description, "requestBody": body}


def _feedback() -> dict[str, Any]:
    operation = _operation("Feedback on cards", None, list(_ERRORS))
    content = {"schema": {"$ref": f"{_REF}Feedback"}, "example": _FEEDBACK_EXAMPLE}
    return operation | {"requestBody": {"required": True, "content": {"application/json": content}}}


def _fhir(summary: str, resource_type: str, **more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": resource_type}},
    }
    answers = {
        "200": {"description": "OK", "content": {"application/fhir+json": {"schema": schema}}}
    }
    return {"get": {"summary": summary, "security": [{}], "responses": answers, **more}}


def _request(service: HookService) -> dict[str, Any]:
    """The envelope of CDS Hooks 2.0 "HTTP Request". FHIR resources are not described here."""
    context = {
        "type": "object",
        "required": ["userId", "patientId"] + ["draftOrders"] * service.question.about_orders,
        "properties": {
            "userId": _TEXT,
            "patientId": _TEXT,
            "encounterId": _TEXT,
            "selections": {"type": "array", "items": _TEXT},
            "draftOrders": _bundle(),
        },
    }
    prefetch = {"type": "object", "properties": {str(name): _bundle() for name in service.inputs}}
    return {
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "properties": {
            "hook": {"const": service.hook},
            "hookInstance": {"type": "string", "format": "uuid"},
            "fhirServer": {"type": "string", "format": "uri"},
            "context": context,
            "prefetch": prefetch,
        },
    }


def _bundle() -> dict[str, Any]:
    """A FHIR resource or a Bundle of resources."""
    resource = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string"}, "id": _TEXT},
    }
    entry = {"type": "object", "properties": {"resource": resource}}
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {
            "resourceType": {"const": "Bundle"},
            "type": {"enum": ["collection", "searchset"]},
            "entry": {"type": "array", "items": entry},
        },
    }


_FEEDBACK_EXAMPLE = {
    "feedback": [
        {
            "card": "f6b95768-b1c8-40dc-8385-bf3504b82ffb",
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-26T12:00:00Z",
        }
    ]
}

_OUTCOME = {
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code"],
                "properties": {
                    "severity": {"enum": ["fatal", "error", "warning", "information"]},
                    "code": {"type": "string"},
                    "diagnostics": {"type": "string"},
                },
            },
        },
    },
}

_FEEDBACK = {
    "type": "object",
    "required": ["feedback"],
    "properties": {
        "feedback": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["card", "outcome", "outcomeTimestamp"],
                "properties": {
                    "card": {"type": "string", "format": "uuid"},
                    "outcome": {"enum": ["accepted", "overridden", "ignored", "dismissed"]},
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                    "acceptedSuggestions": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"id": {"type": "string"}}},
                    },
                    "overrideReason": {"type": "object"},
                },
            },
        }
    },
}

_ONE_SET = _fhir(
    "A value set with its codes, FHIR R4",
    "ValueSet",
    parameters=[
        {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "Id of a value set, as the list names it.",
            "schema": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"},
            "example": "fop",
        }
    ],
)
_ONE_SET["get"]["responses"]["404"] = {
    "description": "No such value set.",
    "content": {"application/fhir+json": {"schema": {"$ref": f"{_REF}OperationOutcome"}}},
}
_FHIR_PATHS = {
    "/fhir/ValueSet": _fhir("The value sets, FHIR R4", "Bundle"),
    "/fhir/ValueSet/{id}": _ONE_SET,
    "/fhir/Library/ho-prophylaxis": _fhir("The content with its sources, FHIR R4", "Library"),
}
