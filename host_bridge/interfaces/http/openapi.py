"""The OpenAPI 3.1 document, made from the operations table and the Structs that really go over the wire."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from host_bridge import events as bus
from host_bridge.interfaces.http import examples
from host_bridge.interfaces.http.body import KEY_CHARACTERS, KEY_HEADER
from host_bridge.interfaces.http.operation import Media, Operation
from host_bridge.interfaces.http.operations import OPERATIONS, TAGS, every_operation
from host_bridge.interfaces.http.problem import CATALOGUE, CONTENT_TYPE, ProblemBody
from host_bridge.interfaces.http.shapes import Ack, AckAnswer, ErrorMessage, StateMessage
from host_bridge.state import Text

PATH = "/api/openapi.json"
REFERENCE = "#/components/schemas/{name}"
SERVER_MESSAGE = bus.Event | StateMessage | AckAnswer | ErrorMessage

_HEADERS = {
    "Location": Text("the job's address", "任务地址"),
    "Idempotency-Replayed": Text(
        "`true`: the key was known; this is the earlier answer, and nothing new happened",
        "`true`：该键已使用过；这是先前的应答，没有产生新的动作",
    ),
    "ETag": Text("for If-None-Match", "用于 If-None-Match"),
}


@functools.cache
def document(version: str) -> dict[str, Any]:
    """Build the document. It is shared: don't change it."""
    types = [ProblemBody, SERVER_MESSAGE, Ack]
    for operation in OPERATIONS:
        types += [media.shape for media in _medias(operation) if media.shape is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in every_operation():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Counterhub",
            "version": version,
            "summary": "Print receipts, open the cash drawer and receive scans through one hub.",
            "description": (
                "JSON over HTTP and one WebSocket. Errors are `application/problem+json` (RFC 9457) with a stable "
                f"`code`. Requests that act take an `{KEY_HEADER}`: the same key gives the same answer and no second "
                "effect. Browsers may call from the bridge's own page and from the origins in `http.allowed_origins`."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": text.en, "x-description-zh": text.zh} for tag, text in TAGS.items()],
        "paths": paths,
        "components": {"schemas": components},
        "x-problem-codes": {
            code: {"status": kind.status, "title": kind.title, "x-title-zh": kind.title_zh}
            for code, kind in sorted(CATALOGUE.items())
        },
    }


def _operation(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary.en,
        "x-summary-zh": operation.summary.zh,
        "responses": _responses(operation, schema_of),
        "x-curl": list(operation.curl),
    }
    if operation.description is not None:
        described["description"] = operation.description.en
        described["x-description-zh"] = operation.description.zh
    if operation.short is not None:
        described["x-short-path"] = operation.short
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.bodies:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {media.content_type: _media(media, schema_of) for media in operation.bodies},
        }
    if operation.websocket:
        described["x-websocket"] = {
            "serverMessages": schema_of[repr(SERVER_MESSAGE)],
            "clientMessages": schema_of[repr(Ack)],
            "serverExamples": [msgspec.to_builtins(message) for message in examples.SERVER_MESSAGES],
            "clientExamples": [msgspec.to_builtins(message) for message in examples.CLIENT_MESSAGES],
        }
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.place == "path",
            # The router's pattern is for the text of a number; JSON Schema's is for strings.
            "schema": {key: value for key, value in parameter.schema.items() if key != "pattern"},
            "description": parameter.text.en,
            "x-description-zh": parameter.text.zh,
        }
        for parameter in operation.parameters
    ]
    if operation.acts:
        parameters.append(
            {
                "name": KEY_HEADER,
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": KEY_CHARACTERS},
                "description": "made by the client, once for each thing it wants done; the same for every retry",
                "x-description-zh": "由客户端为每个动作生成一次；重试时保持不变",
            }
        )
    return parameters


def _responses(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in operation.answers:
        described: dict[str, Any] = {"description": answer.text.en, "x-description-zh": answer.text.zh}
        if answer.media is not None:
            described["content"] = {answer.media.content_type: _media(answer.media, schema_of)}
        if answer.headers:
            described["headers"] = {
                name: {"schema": {"type": "string"}, "description": _HEADERS[name].en} for name in answer.headers
            }
        responses[str(answer.status)] = described
    by_status: dict[int, list[str]] = {}
    for code in operation.all_problems:
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = _problem_response(status, codes, schema_of)
    return responses


def _problem_response(status: int, codes: list[str], schema_of: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"`{code}`: {CATALOGUE[code].title}" for code in codes),
        "content": {
            CONTENT_TYPE: {
                "schema": {
                    "allOf": [
                        schema_of[repr(ProblemBody)],
                        {"properties": {"status": {"const": status}, "code": {"enum": sorted(codes)}}},
                    ]
                }
            }
        },
    }


def _media(media: Media, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if media.shape is not None:
        described["schema"] = schema_of[repr(media.shape)]
    if media.example is not None:
        described["example"] = msgspec.to_builtins(media.example)
    if media.text is not None:
        described["x-description"] = media.text.en
        described["x-description-zh"] = media.text.zh
    return described


def _medias(operation: Operation) -> list[Media]:
    return [*operation.bodies, *(answer.media for answer in operation.answers if answer.media is not None)]
