"""The API's page at `/api`: the OpenAPI document, readable, on its own, with no network and no build step."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec
from aiohttp import web

from host_bridge import __version__
from host_bridge.interfaces.http import openapi
from host_bridge.interfaces.http.page_style import SCRIPT, STYLE
from host_bridge.interfaces.http.problem import CATALOGUE

EXAMPLE_BASE = "http://127.0.0.1:9180"

_SAFE_HOST = re.compile(r"[a-zA-Z0-9.:\[\]_-]{1,260}")


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/api", _page)
    router.add_get(openapi.PATH, _document)


def render(document: dict[str, Any], base: str = EXAMPLE_BASE) -> str:
    """The document as one HTML page; `base` is what its curl lines call."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "x-short-path" not in operation  # one card for both addresses
    ]
    sections = []
    navigation = []
    for tag in document["tags"]:
        mine = [entry for entry in operations if entry[2]["tags"] == [tag["name"]]]
        heading = _both(tag["description"], tag["x-description-zh"])
        links = "".join(
            f'<a href="#{operation["operationId"]}">{_badge(method, operation)}<span>{_path(path)}</span></a>'
            for path, method, operation in mine
        )
        navigation.append(f"<h2>{heading}</h2>{links}")
        cards = "".join(_card(path, method, operation, document, base) for path, method, operation in mine)
        sections.append(f'<section id="tag-{tag["name"]}"><h2>{heading}</h2>{cards}</section>')
    navigation.append(f"<h2>{_both('Reference', '参考')}</h2>")
    navigation.append(f'<a href="#problems">{_both("Problem codes", "错误码")}</a>')
    navigation.append(f'<a href="#schemas">{_both("Schemas", "数据结构")}</a>')
    return (
        '<!doctype html><html lang="en" data-language="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Counterhub API</title>'
        f"<style>{STYLE}</style></head><body>"
        f"<header>{_masthead(document)}</header>"
        f'<div class="columns"><nav aria-label="API">{"".join(navigation)}</nav><main>{_introduction(base)}'
        f"{''.join(sections)}{_problems()}{_schemas(document)}</main></div><script>{SCRIPT}</script></body></html>"
    )


def _masthead(document: dict[str, Any]) -> str:
    return (
        f'<h1><a href="/">Counterhub</a> <span class="light">API</span></h1>'
        f'<span class="version">{escape(document["info"]["version"])}</span><span class="gap"></span>'
        f'<a href="{openapi.PATH}">openapi.json</a><a href="/">{_both("Counter", "柜台")}</a>'
        '<span class="languages"><button type="button" data-set="zh" lang="zh">中文</button>'
        '<button type="button" data-set="en" lang="en">English</button></span>'
    )


def _introduction(base: str) -> str:
    first = _both(
        "JSON over HTTP and one WebSocket at <code>{base}</code>. Every error is "
        "<code>application/problem+json</code> with a stable <code>code</code> and a <code>detail</code> that says "
        "what was expected, what came and what to do.",
        "JSON over HTTP，以及一个 WebSocket，地址 <code>{base}</code>。"
        "所有错误均为 <code>application/problem+json</code>："
        "稳定的 <code>code</code>，以及说明期望、实际与处理办法的 <code>detail</code>。",
        escaped=True,
    ).replace("{base}", escape(base))
    facts = (
        (
            _both("Nothing twice", "绝不重复"),
            _both(
                "Make an <code>Idempotency-Key</code> before the first try and send it with every retry. The same key "
                "gives the same answer and has no second effect.",
                "首次请求前生成 <code>Idempotency-Key</code>，重试时使用同一个：应答相同，动作只发生一次。",
                escaped=True,
            ),
        ),
        (
            _both("Nothing lost", "绝不丢失"),
            _both(
                "A job is safe once you have its 202. A scan comes again after a reconnect until you acknowledge it or "
                "it expires.",
                "收到 202 后任务即安全。扫码在重连后会再次发送，直到确认或过期。",
            ),
        ),
        (
            _both("Not every page", "并非任意网页"),
            _both(
                "Browsers may call from this page's own address. List your till's origin in "
                "<code>http.allowed_origins</code>. Programs that are no browser just call.",
                "浏览器默认只能从本站调用；请把收银页面的来源加入 <code>http.allowed_origins</code>。"
                "非浏览器程序可直接调用。",
                escaped=True,
            ),
        ),
    )
    cards = "".join(f"<div><h3>{title}</h3><p>{text}</p></div>" for title, text in facts)
    return f'<section class="introduction"><p>{first}</p><div class="facts">{cards}</div></section>'


def _card(path: str, method: str, operation: dict[str, Any], document: dict[str, Any], base: str) -> str:
    parts = []
    if "description" in operation:
        english, chinese = _marked(operation["description"]), _marked(operation["x-description-zh"])
        parts.append(f"<p>{_both(english, chinese, escaped=True)}</p>")
    parts.append(_curl(operation["x-curl"], base))
    if "parameters" in operation:
        parts.append(_parameters(operation["parameters"]))
    if "requestBody" in operation:
        parts.append(_request_body(operation["requestBody"]))
    if "x-websocket" in operation:
        parts.append(_websocket(operation["x-websocket"]))
    parts.append(_responses(operation["responses"]))
    summary = _both(operation["summary"], operation["x-summary-zh"])
    return (
        f'<details class="operation" id="{operation["operationId"]}"><summary>{_badge(method, operation)}'
        f'<code class="path">{_path(path)}</code><span class="summary">{summary}</span></summary>'
        f'<div class="body">{"".join(parts)}</div></details>'
    )


def _curl(lines: Iterable[str], base: str) -> str:
    websocket_base = re.sub(r"^http", "ws", base)
    shown = "".join(
        f"<pre><code>{escape(line.replace('{base}', base).replace('{websocket_base}', websocket_base), quote=False)}"
        "</code></pre>"
        for line in lines
    )
    return f'<div class="try"><h4>{_both("Try it", "试一试")}</h4>{shown}</div>'


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{_constraint(parameter['schema'])}</td>"
        f"<td>{_both(parameter['description'], parameter['x-description-zh'])}</td></tr>"
        for parameter in parameters
    )
    return f"<h4>{_both('Parameters', '参数')}</h4><table>{rows}</table>"


def _request_body(body: dict[str, Any]) -> str:
    optional = "" if body["required"] else f' <span class="light">{_both("(may be left out)", "（可省略）")}</span>'
    parts = [f"<h4>{_both('Body', '请求体')}{optional}</h4>"]
    for content_type, media in body["content"].items():
        text = _both(media["x-description"], media["x-description-zh"]) if "x-description" in media else ""
        kind = f"<code>{escape(content_type)}</code> {_reference(media.get('schema'))}"
        parts.append(f'<p class="media">{kind} {text}</p>')
        if "example" in media:
            parts.append(_example(media["example"]))
    return "".join(parts)


def _websocket(websocket: dict[str, Any]) -> str:
    def messages(examples: list[dict[str, Any]]) -> str:
        return "".join(
            f'<details class="message"><summary><code>{escape(example["type"])}</code></summary>'
            f"{_example(example)}</details>"
            for example in examples
        )

    return (
        f"<h4>{_both('Messages from the bridge', '来自桥接的消息')}</h4>{messages(websocket['serverExamples'])}"
        f"<h4>{_both('Messages from you', '客户端消息')}</h4>"
        + "".join(_example(example) for example in websocket["clientExamples"])
    )


def _responses(responses: dict[str, Any]) -> str:
    parts = [f"<h4>{_both('Answers', '应答')}</h4>"]
    problems = []
    for status, response in responses.items():
        if int(status) >= 400:
            codes = response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
            links = " ".join(f'<a class="code" href="#problem-{code}">{code}</a>' for code in codes)
            problems.append(f'<tr><td><span class="status s{status[0]}">{status}</span></td><td>{links}</td></tr>')
            continue
        text = _both(response["description"], response["x-description-zh"])
        content = next(iter(response.get("content", {}).items()), None)
        kind = "" if content is None else f"<code>{escape(content[0])}</code> {_reference(content[1].get('schema'))}"
        parts.append(f'<p class="media"><span class="status s{status[0]}">{status}</span> {kind} {text}</p>')
        if content is not None and "example" in content[1]:
            parts.append(_example(content[1]["example"]))
    return "".join(parts) + f'<table class="codes">{"".join(problems)}</table>'


def _problems() -> str:
    rows = "".join(
        f'<tr id="problem-{code}"><td><span class="status s{kind.status // 100}">{kind.status}</span></td>'
        f"<td><code>{code}</code></td><td>{_both(kind.title, kind.title_zh)}</td></tr>"
        for code, kind in sorted(CATALOGUE.items(), key=lambda entry: (entry[1].status, entry[0]))
    )
    heading = _both("Problem codes", "错误码")
    return f'<section id="problems"><h2>{heading}</h2><table class="list">{rows}</table></section>'


def _schemas(document: dict[str, Any]) -> str:
    parts = [f'<section id="schemas"><h2>{_both("Schemas", "数据结构")}</h2>']
    for name, schema in sorted(document["components"]["schemas"].items()):
        text = escape(schema.get("description", "").split("\n")[0])
        required = schema.get("required", [])
        rows = "".join(
            f"<tr><td><code>{escape(field)}</code>{'' if field in required else '<span class=light>?</span>'}</td>"
            f"<td>{_constraint(field_schema)}</td></tr>"
            for field, field_schema in schema.get("properties", {}).items()
        )
        values = ", ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema.get("enum", []))
        parts.append(
            f'<details class="schema" id="schema-{name}"><summary><code>{name}</code>'
            f'<span class="summary">{text}</span></summary>'
            f'<div class="body"><table>{rows}</table>{values}</div></details>'
        )
    return "".join(parts) + "</section>"


def _constraint(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _reference(schema)
    if "anyOf" in schema:
        return " | ".join(_constraint(option) for option in schema["anyOf"])
    if "enum" in schema:
        words = " | ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    elif schema.get("type") == "array":
        words = f"{_constraint(schema.get('items', {}))}[]"
    elif "const" in schema:
        words = f"<code>{escape(json.dumps(schema['const']))}</code>"
    else:
        words = escape(str(schema.get("type", "any")))
    if "minimum" in schema and "maximum" in schema and schema["maximum"] < 2**53:
        words += f" {schema['minimum']}…{schema['maximum']}"
    elif "minimum" in schema:
        words += f" ≥ {schema['minimum']}"
    if "maxLength" in schema:
        words += f", {schema.get('minLength', 0)}…{schema['maxLength']} chars"
    if schema.get("default") not in (None, {}, []):
        words += f' <span class="light">= {escape(json.dumps(schema["default"]))}</span>'
    return words


def _reference(schema: dict[str, Any] | None) -> str:
    if schema is None:
        return ""
    if schema.get("type") == "array":
        return f"{_reference(schema['items'])}[]"
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#schema-{name}">{name}</a>' if name else ""


def _example(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return f"<pre><code>{escape(text)}</code></pre>"


def _badge(method: str, operation: dict[str, Any]) -> str:
    name = "ws" if "x-websocket" in operation else method
    return f'<span class="badge {name}">{name.upper()}</span>'


def _path(path: str) -> str:
    breakable = escape(path).replace("/", "/<wbr>")
    return re.sub(r"\{(\w+)\}", r"<var>{\1}</var>", breakable)


def _marked(text: str) -> str:
    """Escaped text in which `this` becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _both(english: str, chinese: str, *, escaped: bool = False) -> str:
    if not escaped:
        english, chinese = escape(english), escape(chinese)
    return f'<span lang="en">{english}</span><span lang="zh">{chinese}</span>'


@functools.cache
def _content_security_policy() -> str:
    """This one page carries its style and script in itself: exactly these are allowed, by their hashes."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {source(STYLE)}; script-src {source(SCRIPT)}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


@functools.lru_cache(maxsize=8)
def _rendered(base: str) -> bytes:
    return render(openapi.document(__version__), base).encode()


@functools.cache
def _encoded() -> bytes:
    return msgspec.json.format(msgspec.json.encode(openapi.document(__version__)), indent=2)


async def _page(request: web.Request) -> web.Response:
    host = request.host  # judged already; the pattern is for what goes into a shell line
    base = f"{request.scheme}://{host}" if _SAFE_HOST.fullmatch(host) else EXAMPLE_BASE
    headers = {"Content-Security-Policy": _content_security_policy(), "Cache-Control": "no-cache"}
    return web.Response(body=_rendered(base), content_type="text/html", charset="utf-8", headers=headers)


async def _document(request: web.Request) -> web.Response:
    return web.Response(body=_encoded(), content_type="application/json", headers={"Cache-Control": "no-cache"})
