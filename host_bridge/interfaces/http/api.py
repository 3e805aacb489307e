"""The native API's requests: state, print, jobs, drawer, scans."""

from __future__ import annotations

import asyncio
import re

import msgspec
from aiohttp import web

from host_bridge.escpos.compose import ComposeError, check_stream, compose_png, compose_text
from host_bridge.escpos.receipt import render_job
from host_bridge.interfaces.http.body import MAX_INTEGER, idempotency_key, query_integer
from host_bridge.interfaces.http.context import CONTEXT, Context, HubContext, asked_hub, below, json_answer
from host_bridge.interfaces.http.problem import CATALOGUE, Problem
from host_bridge.interfaces.http.shapes import (
    LONGEST_KICK_MS,
    Accepted,
    DrawerOpen,
    Health,
    Hubs,
    Jobs,
    Ports,
    ScannerWish,
    Scans,
    Texts,
    hub_view,
    job_links,
    job_view,
    scan_view,
)
from host_bridge.journal.records import Job, Kick, KickState
from host_bridge.watch.reasons import REASON_TEXTS

SOURCE = "api"
REPLAYED_HEADER = {"Idempotency-Replayed": "true"}
PRINT_TYPES = ["application/octet-stream", "text/plain", "image/png"]
CHARSETS = ("utf-8", "us-ascii", "gb18030", "gbk", "gb2312", "big5", "iso-8859-1", "windows-1252")
KICK_MARGIN_MS = 5_000  # beyond its time to live a kick is over; this is for the journal
OUTCOME_UNKNOWN = ("link_lost", "no_answer", "bridge_restarted")
DEFAULT_LIST_ITEMS = 50

COMPOSE_CODES = {code: code for code in ("not_printable", "truncated_command", "image_invalid", "image_too_large")} | {
    "empty": "job_empty"
}

_JOB_ID = re.compile(r"[0-9a-f]{16}")


async def healthz(request: web.Request) -> web.Response:
    hubs = request.app[CONTEXT].hubs.values()
    up = all(each.hub.state().link.status == "up" for each in hubs)
    return json_answer(Health(status="ok", link="up" if up else "down"))


async def hubs(request: web.Request) -> web.Response:
    served = request.app[CONTEXT].hubs
    return json_answer(Hubs(hubs=[hub_view(name, each.hub.state()) for name, each in served.items()]))


async def texts(request: web.Request) -> web.Response:
    return json_answer(Texts(reasons=REASON_TEXTS))


async def ports(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    return json_answer(Ports(ports=await context.workshop.run(context.ports)))


async def state(request: web.Request) -> web.Response:
    return json_answer(asked_hub(request).hub.state())


async def print_job(request: web.Request) -> web.Response:
    """Journal a job; 202 means it survives whatever happens next."""
    context = request.app[CONTEXT]
    hub = asked_hub(request).hub
    key = idempotency_key(request)
    content_type = request.content_type
    if content_type not in PRINT_TYPES:
        raise _unsupported(f"got {content_type}")
    body = await context.bodies.read(request, context.limits.print_body_bytes)
    data = await _compose(context, content_type, request.charset, body)
    submitted = await hub.printing.submit(data, source=SOURCE, idempotency_key=key)
    links = job_links(submitted.job.job_id, below(request))
    warning = submitted.warning or submitted.job.warning
    answer = Accepted(
        job_id=submitted.job.job_id,
        state="queued",
        links=links,
        warning=msgspec.UNSET if warning is None else warning,
        duplicate=submitted.duplicate or msgspec.UNSET,
    )
    headers = {"Location": links.self} | (REPLAYED_HEADER if submitted.replayed else {})
    return json_answer(answer, status=202, headers=headers)


async def jobs(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    limit = query_integer(request, "limit", default=DEFAULT_LIST_ITEMS, least=1, most=context.limits.list_items)
    newest = await asked_hub(request).hub.printing.jobs(limit=limit)
    return json_answer(Jobs(jobs=[job_view(job, below(request)) for job in newest]))


async def job(request: web.Request) -> web.Response:
    return json_answer(job_view(await _job(request), below(request)))


async def job_receipt(request: web.Request) -> web.Response:
    """The job as paper would show it, drawn from its bytes: no proof that it was printed."""
    context = request.app[CONTEXT]
    found = await _job(request)
    headers = {"ETag": f'"{found.sha256[:32]}"', "Cache-Control": "private, no-cache"}
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    picture = context.pictures.get(found.sha256)
    if picture is None:
        data = await asked_hub(request).hub.printing.job_data(found.job_id)
        if data is None:
            detail = f"The bytes of job {found.job_id} were removed from the journal by age or size."
            raise Problem("receipt_gone", detail)
        picture = await context.workshop.run(render_job, data)
        context.pictures.put(found.sha256, picture)
    return web.Response(body=picture, content_type="image/png", headers=headers)


async def job_cancel(request: web.Request) -> web.Response:
    cancelled = await asked_hub(request).hub.printing.cancel(_job_id(request))
    return json_answer(job_view(cancelled, below(request)))


async def drawer_open(request: web.Request) -> web.Response:
    """Open the drawer now or never; the answer says which."""
    context = request.app[CONTEXT]
    asked = asked_hub(request)
    key = idempotency_key(request)
    wish = await context.bodies.read_json(request, DrawerOpen, default=DrawerOpen())
    asked_at = context.clock()
    longest_ms = LONGEST_KICK_MS if wish.time_to_live_ms is msgspec.UNSET else wish.time_to_live_ms
    given = {
        name: value
        for name in ("on_ms", "time_to_live_ms")
        if (value := getattr(wish, name)) is not msgspec.UNSET  # the rest is the drawer service's to choose
    }
    try:
        async with asyncio.timeout((longest_ms + KICK_MARGIN_MS) / 1000):
            kick = await asked.hub.drawers.kick(source=SOURCE, drawer=wish.drawer, idempotency_key=key, **given)
    except TimeoutError:
        raise Problem(
            "service_timeout", "The bridge lost track of this kick; it is past its time and will not open the drawer."
        ) from None
    headers = REPLAYED_HEADER if key is not None and _answered_before(asked, kick, asked_at) else {}
    if kick.state in (KickState.OPENED, KickState.UNVERIFIED):
        return json_answer(kick, headers=headers)
    raise _kick_failed(kick, headers)


async def scans(request: web.Request) -> web.Response:
    """Upwards from `after`, or the end of the list."""
    context = request.app[CONTEXT]
    if "newest" in request.query:
        return await _newest_scans(request)
    after = query_integer(request, "after", default=0, least=0, most=MAX_INTEGER)
    limit = query_integer(request, "limit", default=DEFAULT_LIST_ITEMS, least=1, most=context.limits.list_items)
    found = await asked_hub(request).hub.scans.after(after, limit=limit)
    next_after = found[-1].sequence if found else after
    return json_answer(Scans(scans=[scan_view(scan) for scan in found], next_after=next_after))


async def scanner_switch(request: web.Request) -> web.Response:
    """Switch the scanner on, or off for a time; answers when the hub has done it."""
    wish = await request.app[CONTEXT].bodies.read_json(request, ScannerWish)
    for_ms = None if wish.for_ms is msgspec.UNSET else wish.for_ms
    return json_answer(await asked_hub(request).hub.scans.switch(wish.enabled, for_ms=for_ms))


async def _newest_scans(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    if not request.query.keys().isdisjoint(("after", "limit")):
        raise Problem("query_invalid", "newest: expected it alone, got after or limit with it.")
    newest = query_integer(request, "newest", default=1, least=1, most=context.limits.list_items)
    found = await asked_hub(request).hub.scans.newest(limit=newest)
    next_after = found[-1].sequence if found else 0
    return json_answer(Scans(scans=[scan_view(scan) for scan in found], next_after=next_after))


async def _compose(context: Context, content_type: str, charset: str | None, body: bytes) -> bytes:
    """Return the job's ESC/POS bytes."""
    try:
        if content_type == "text/plain":
            return await context.workshop.run(compose_text, _decode(body, charset))
        if content_type == "image/png":
            return await context.workshop.run(compose_png, body)
        await context.workshop.run(check_stream, body)
    except ComposeError as error:
        raise Problem(COMPOSE_CODES.get(error.code, "not_printable"), f"{error}.", accepted=PRINT_TYPES) from error
    return body


def _decode(body: bytes, charset: str | None) -> str:
    name = (charset or "utf-8").lower()
    if name not in CHARSETS:
        raise _unsupported(f"got charset={name[:40]}; known charsets are {', '.join(CHARSETS)}")
    try:
        return body.decode("utf-8-sig" if name == "utf-8" else name)
    except UnicodeDecodeError as error:
        raise Problem(
            "text_undecodable",
            f"The text is not {name}: byte {body[error.start]:#04x} at {error.start} does not fit. "
            "Name the charset, for example Content-Type: text/plain; charset=gb18030.",
        ) from error


def _unsupported(what_came: str) -> Problem:
    detail = f"Expected a Content-Type of {', '.join(PRINT_TYPES)}; {what_came}."
    return Problem("media_type_unsupported", detail, accepted=PRINT_TYPES)


async def _job(request: web.Request) -> Job:
    job_id = _job_id(request)
    found = await asked_hub(request).hub.printing.job(job_id)
    if found is None:
        raise Problem("job_unknown", f"There is no job {job_id}; old jobs are removed from the journal.")
    return found


def _job_id(request: web.Request) -> str:
    job_id = request.match_info["job_id"]
    if _JOB_ID.fullmatch(job_id) is None:
        raise Problem("job_unknown", f"A job id has 16 hex digits in lower case, got {job_id[:40]!r}.")
    return job_id


def _answered_before(asked: HubContext, kick: Kick, asked_at: float) -> bool:
    """Whether an earlier request was given this kick: by this process, or (older than the request) by one before it."""
    before = kick.kick_id in asked.answered_kicks or kick.created_at < asked_at
    asked.answered_kicks.add(kick.kick_id)
    return before


def _kick_failed(kick: Kick, headers: dict[str, str]) -> Problem:
    reason = kick.reason or "kick_failed"
    code = reason if reason in CATALOGUE else "kick_failed"
    what = (
        f"Nobody can know whether drawer {kick.drawer} opened ({reason}): look at it."
        if reason in OUTCOME_UNKNOWN
        else f"Drawer {kick.drawer} was not opened ({reason})."
    )
    detail = f"{what} This kick will not open it later: ask again, with a new Idempotency-Key, when it is wanted."
    return Problem(code, detail, headers=headers, kick=kick)
