"""What can go wrong, as `application/problem+json` (RFC 9457): one catalogue for server and OpenAPI document."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec
from aiohttp import web

from host_bridge.interfaces.services import Refused
from host_bridge.journal.records import Kick

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 2


class Kind(NamedTuple):
    status: int
    title: str


CATALOGUE: dict[str, Kind] = {
    # The request itself
    "malformed_request": Kind(400, "This is not a valid HTTP request"),
    "body_malformed": Kind(400, "The body can't be read"),
    "query_invalid": Kind(400, "A query parameter is wrong"),
    "host_not_allowed": Kind(403, "This host name is not allowed"),
    "origin_not_allowed": Kind(403, "This web page may not use the bridge"),
    "not_found": Kind(404, "There is nothing at this address"),
    "hub_unknown": Kind(404, "There is no such hub"),
    "hub_not_named": Kind(400, "The bridge serves several hubs, and the request names none"),
    "not_virtual": Kind(404, "The bridge has no virtual hub"),
    "method_not_allowed": Kind(405, "This address takes other methods"),
    "request_timeout": Kind(408, "The request took too long to arrive"),
    "body_too_large": Kind(413, "The body is too large"),
    "media_type_unsupported": Kind(415, "This kind of content can't be taken"),
    "expectation_unknown": Kind(417, "The Expect header asks for something unknown"),
    "body_invalid": Kind(422, "The body has a wrong field or value"),
    "idempotency_key_invalid": Kind(422, "The Idempotency-Key can't be used"),
    "idempotency_mismatch": Kind(422, "The Idempotency-Key was used for another request"),
    "upgrade_required": Kind(426, "This address speaks WebSocket only"),
    # Printing
    "job_unknown": Kind(404, "There is no such job"),
    "receipt_gone": Kind(404, "The receipt's bytes are no longer kept"),
    "job_not_cancellable": Kind(409, "The job can't be cancelled any more"),
    "job_too_large": Kind(413, "The job is too large"),
    "job_empty": Kind(422, "There is nothing to print"),
    "not_printable": Kind(415, "This content can't be printed"),
    "text_undecodable": Kind(422, "The text is not in the charset it names"),
    "truncated_command": Kind(422, "The job ends inside a command"),
    "image_invalid": Kind(422, "This is no whole picture"),
    "image_too_large": Kind(422, "The picture has too many pixels"),
    "journal_full": Kind(507, "The bridge can't store anything new"),
    "journal_failed": Kind(503, "The bridge can't write to its journal"),
    "queue_full": Kind(503, "Too many jobs are waiting"),
    # Drawer: codes of refusals, then reasons of kicks that failed
    "kick_invalid": Kind(422, "The drawer can't be opened like this"),
    "kick_busy": Kind(503, "Too many kicks are under way"),
    "drawer_stuck": Kind(409, "The drawer got its pulse but did not open"),
    "printer_power": Kind(503, "The printer, on which the drawer hangs, is off"),
    "duty": Kind(409, "The solenoid must cool down first"),
    "repeated": Kind(409, "The hub had this kick before"),
    "kick_failed": Kind(409, "The drawer did not open"),
    "bridge_restarted": Kind(503, "The bridge restarted in the middle of this kick"),
    "link_down": Kind(503, "The bridge has no link to the hub"),
    "link_busy": Kind(503, "The link to the hub has no room"),
    "link_lost": Kind(503, "The link went down before the hub answered"),
    "expired": Kind(504, "The drawer could not be opened in time"),
    "no_answer": Kind(504, "The hub did not say what became of the kick"),
    # Scanner
    "scanner_switch_invalid": Kind(422, "The scanner can't be switched like this"),
    "scanner_not_switchable": Kind(409, "This scanner can't be switched off"),
    "hub_no_answer": Kind(504, "The hub did not answer in time"),
    # The virtual counter
    "receipt_unknown": Kind(404, "There is no such receipt"),
    "scanner_unplugged": Kind(409, "The scanner is unplugged"),
    "scanner_held_off": Kind(409, "The hub keeps the scanner from reading"),
    "scanner_busy": Kind(503, "Too many scans at once"),
    "virtual_hub_unavailable": Kind(503, "The virtual hub can't be reached"),
    "scan_invalid": Kind(422, "This can't be a barcode"),
    "fault_unknown": Kind(422, "There is no such fault"),
    # The service
    "internal": Kind(500, "The bridge made a mistake"),
    "stopping": Kind(503, "The bridge is stopping"),
    "busy": Kind(503, "The bridge has too much to do at once"),
    "too_many_connections": Kind(503, "Too many connections"),
    "too_many_websockets": Kind(503, "Too many WebSockets"),
    "service_timeout": Kind(504, "The bridge did not answer in time"),
}

UNLISTED = Kind(503, "The bridge can't do this now")  # a refusal that is newer than this catalogue
HTTP_CODES = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "media_type_unsupported",
    417: "expectation_unknown",
    426: "upgrade_required",
    504: "service_timeout",
}


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not done. `code` is stable; `detail` says what was expected, what came and what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    kick: Kick | msgspec.UnsetType = msgspec.UNSET  # the kick that failed
    accepted: list[str] | msgspec.UnsetType = msgspec.UNSET  # the content types that can be taken
    hubs: list[str] | msgspec.UnsetType = msgspec.UNSET  # the names of the hubs that there are


class Problem(Exception):
    """Raised by a handler; answered as `application/problem+json`."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        kick: Kick | None = None,
        accepted: list[str] | None = None,
        hubs: list[str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(detail)
        kind = CATALOGUE.get(code, UNLISTED)
        self.code = code
        self.status = status or kind.status
        self.headers = headers or {}
        self.close = close
        self.body = ProblemBody(
            type=f"/api#problem-{code}",
            title=kind.title,
            status=self.status,
            code=code,
            detail=detail,
            kick=msgspec.UNSET if kick is None else kick,
            accepted=msgspec.UNSET if accepted is None else accepted,
            hubs=msgspec.UNSET if hubs is None else hubs,
        )

    def response(self) -> web.Response:
        headers = dict(self.headers)
        if self.status in (503, 504):
            headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        answer = web.Response(status=self.status, body=self.encode(), content_type=CONTENT_TYPE, headers=headers)
        if self.close:
            answer.force_close()
        return answer

    def encode(self) -> bytes:
        return msgspec.json.encode(self.body)


def from_refusal(refusal: Refused) -> Problem:
    """A service's refusal in HTTP's words."""
    return Problem(refusal.code, refusal.detail)


def from_http(error: web.HTTPException, request: web.Request) -> Problem:
    """An error that aiohttp made by itself."""
    status = error.status
    code = HTTP_CODES.get(status, "internal" if status >= 500 else "malformed_request")
    headers: dict[str, str] = {}
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        headers["Allow"] = allowed
        detail = f"{request.path} takes {allowed}, not {request.method}."
    elif status == 404:
        detail = f"There is nothing at {request.path[:200]}. /api lists the addresses."
    else:
        detail = error.text or error.reason
    return Problem(code, detail, status=status, headers=headers)


def internal() -> Problem:
    return Problem("internal", "The bridge met an error of its own; its log has the details. Please report it.")
