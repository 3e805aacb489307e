"""The OpenAPI document says what the server does: same addresses, same shapes, same codes."""

from __future__ import annotations

import ast
import inspect
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from host_bridge import events as bus
from host_bridge.interfaces.http import openapi, operations, page
from host_bridge.interfaces.http.examples import CLIENT_MESSAGES, SERVER_MESSAGES
from host_bridge.interfaces.http.openapi import document
from host_bridge.interfaces.http.operation import Operation
from host_bridge.interfaces.http.operations import OPERATIONS, every_operation
from host_bridge.interfaces.http.problem import CATALOGUE
from tests.interfaces.http.conftest import Running

DOCUMENT = document("0.0.0")


def references(value: object) -> set[str]:
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= {inner} if key == "$ref" else references(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= references(inner)
    return found


async def test_the_router_and_the_document_have_the_same_addresses(server: Running) -> None:
    runner = server.interface._runner
    assert runner is not None
    routed = {
        (route.method, re.sub(r"\{(\w+):[^}]*\}", r"{\1}", route.resource.canonical))
        for route in runner.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert routed - documented == {("GET", "/api"), ("GET", "/api/openapi.json")}
    assert documented <= routed


async def test_the_document_is_served_as_openapi_31(server: Running) -> None:
    answer = await server.client.get("/api/openapi.json")
    assert answer.content_type == "application/json"
    served = await answer.json()
    assert served["openapi"] == "3.1.0"
    assert served["paths"].keys() == DOCUMENT["paths"].keys()
    ids = [operation["operationId"] for methods in served["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere() -> None:
    components = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references(DOCUMENT) <= components


@pytest.mark.parametrize("operation", list(every_operation()), ids=lambda operation: operation.operation_id)
def test_examples_are_what_the_server_itself_would_take_or_send(operation: Operation) -> None:
    for media in (*operation.bodies, *(answer.media for answer in operation.answers if answer.media)):
        if media.shape is not None:
            assert msgspec.json.decode(msgspec.json.encode(media.example), type=media.shape) == media.example
    placeholders = set(re.findall(r"\{(\w+)\}", operation.path))
    assert placeholders == {parameter.name for parameter in operation.parameters if parameter.place == "path"}
    assert operation.summary.zh and operation.curl


def test_every_message_of_the_websocket_has_an_example() -> None:
    assert {type(message) for message in SERVER_MESSAGES} == set(get_args(openapi.SERVER_MESSAGE))
    assert set(get_args(bus.Event)) < set(get_args(openapi.SERVER_MESSAGE))
    (events,) = (operation for operation in OPERATIONS if operation.websocket)
    described = DOCUMENT["paths"][events.path]["get"]["x-websocket"]
    assert [example["type"] for example in described["clientExamples"]] == ["ack"]
    assert len(described["serverExamples"]) == len(SERVER_MESSAGES)
    assert len(CLIENT_MESSAGES) == 1


def test_every_problem_code_in_the_source_is_in_the_catalogue_and_used() -> None:
    folder = Path(inspect.getfile(operations)).parent
    raised: set[str] = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    raised.add(str(first.value))
    assert raised and raised <= CATALOGUE.keys()
    documented = {code for operation in every_operation() for code in operation.all_problems}
    assert documented <= CATALOGUE.keys()
    assert CATALOGUE.keys() - documented == {"not_found", "method_not_allowed", "expectation_unknown"}


class Outline(HTMLParser):
    """Checks that the page's elements nest, and gathers its links and ids."""

    VOID = ("meta", "wbr", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        attributes: dict[str, Any] = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if attributes.get("href", "").startswith("#"):
            self.links.add(attributes["href"][1:])
        self.foreign += [value for key in ("src", "href") if "//" in (value := attributes.get(key) or "")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_shows_every_operation_and_needs_nothing_else(server: Running) -> None:
    answer = await server.client.get("/api")
    assert answer.content_type == "text/html"
    text = await answer.text()
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.links <= set(outline.ids), outline.links - set(outline.ids)
    assert {operation.operation_id for operation in OPERATIONS} <= set(outline.ids)
    assert {f"problem-{code}" for code in CATALOGUE} <= set(outline.ids)
    assert outline.foreign == []
    assert f"curl {server.interface.url}/healthz" in text
    assert "{base}" not in text and "{websocket_base}" not in text
    assert "打印小票" in text


async def test_the_pages_own_style_and_script_pass_its_policy(server: Running) -> None:
    policy = (await server.client.get("/api")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and policy.count("'sha256-") == 2


async def test_a_host_name_never_becomes_markup_or_shell(server: Running) -> None:
    text = page.render(DOCUMENT, "http://<script>")
    assert "<script>alert" not in text and "http://<script>" not in text


def test_every_problem_has_a_title_in_both_languages() -> None:
    for code, kind in CATALOGUE.items():
        assert not re.search("[\u4e00-\u9fff]", kind.title), code
        assert re.search("[\u4e00-\u9fff]", kind.title_zh), code
