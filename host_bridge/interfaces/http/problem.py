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
    title_zh: str


CATALOGUE: dict[str, Kind] = {
    # The request itself
    "malformed_request": Kind(400, "This is not a valid HTTP request", "不是有效的 HTTP 请求"),
    "body_malformed": Kind(400, "The body can't be read", "无法读取请求正文"),
    "query_invalid": Kind(400, "A query parameter is wrong", "查询参数有误"),
    "host_not_allowed": Kind(403, "This host name is not allowed", "不允许使用此主机名"),
    "origin_not_allowed": Kind(403, "This web page may not use the bridge", "此网页无权使用本服务"),
    "not_found": Kind(404, "There is nothing at this address", "此地址没有内容"),
    "hub_unknown": Kind(404, "There is no such hub", "没有这个集线盒"),
    "hub_not_named": Kind(
        400, "The bridge serves several hubs, and the request names none", "本服务管理多个集线盒，但请求没有指定哪一个"
    ),
    "not_virtual": Kind(404, "The bridge has no virtual hub", "本服务没有虚拟集线盒"),
    "method_not_allowed": Kind(405, "This address takes other methods", "此地址不接受该方法"),
    "request_timeout": Kind(408, "The request took too long to arrive", "请求到达太慢"),
    "body_too_large": Kind(413, "The body is too large", "请求正文过大"),
    "media_type_unsupported": Kind(415, "This kind of content can't be taken", "不接受此类内容"),
    "expectation_unknown": Kind(417, "The Expect header asks for something unknown", "不认识 Expect 头的要求"),
    "body_invalid": Kind(422, "The body has a wrong field or value", "请求正文的字段或值有误"),
    "idempotency_key_invalid": Kind(422, "The Idempotency-Key can't be used", "该 Idempotency-Key 不可用"),
    "idempotency_mismatch": Kind(
        422, "The Idempotency-Key was used for another request", "该 Idempotency-Key 已用于其他请求"
    ),
    "upgrade_required": Kind(426, "This address speaks WebSocket only", "此地址只接受 WebSocket"),
    # Printing
    "job_unknown": Kind(404, "There is no such job", "没有这个任务"),
    "receipt_gone": Kind(404, "The receipt's bytes are no longer kept", "小票内容已不再保留"),
    "job_not_cancellable": Kind(409, "The job can't be cancelled any more", "任务已无法取消"),
    "job_too_large": Kind(413, "The job is too large", "任务过大"),
    "job_empty": Kind(422, "There is nothing to print", "没有可打印的内容"),
    "not_printable": Kind(415, "This content can't be printed", "此内容无法打印"),
    "text_undecodable": Kind(422, "The text is not in the charset it names", "文本与所声明的字符集不符"),
    "truncated_command": Kind(422, "The job ends inside a command", "任务在指令中间结束"),
    "image_invalid": Kind(422, "This is no whole picture", "图片不完整"),
    "image_too_large": Kind(422, "The picture has too many pixels", "图片像素过多"),
    "journal_full": Kind(507, "The bridge can't store anything new", "服务无法再保存新内容"),
    "journal_failed": Kind(503, "The bridge can't write to its journal", "服务无法写入日志"),
    "queue_full": Kind(503, "Too many jobs are waiting", "等待的任务过多"),
    # Drawer: codes of refusals, then reasons of kicks that failed
    "kick_invalid": Kind(422, "The drawer can't be opened like this", "无法这样打开钱箱"),
    "kick_busy": Kind(503, "Too many kicks are under way", "正在进行的开箱请求过多"),
    "drawer_stuck": Kind(409, "The drawer got its pulse but did not open", "钱箱收到脉冲但没有打开"),
    "printer_power": Kind(503, "The printer, on which the drawer hangs, is off", "钱箱所接的打印机没有通电"),
    "duty": Kind(409, "The solenoid must cool down first", "电磁铁需要先冷却"),
    "repeated": Kind(409, "The hub had this kick before", "集线盒已处理过此开箱请求"),
    "kick_failed": Kind(409, "The drawer did not open", "钱箱没有打开"),
    "bridge_restarted": Kind(503, "The bridge restarted in the middle of this kick", "开箱过程中服务重新启动"),
    "hub_stopped": Kind(503, "This hub's service is starting again", "该集线盒的服务正在重新启动"),
    "link_down": Kind(503, "The bridge has no link to the hub", "服务未连接集线盒"),
    "link_busy": Kind(503, "The link to the hub has no room", "与集线盒的连接繁忙"),
    "link_lost": Kind(503, "The link went down before the hub answered", "集线盒应答之前连接中断"),
    "expired": Kind(504, "The drawer could not be opened in time", "未能及时打开钱箱"),
    "no_answer": Kind(504, "The hub did not say what became of the kick", "集线盒没有说明开箱结果"),
    # Scanner
    "scanner_switch_invalid": Kind(422, "The scanner can't be switched like this", "无法这样开关扫码枪"),
    "scanner_not_switchable": Kind(409, "This scanner can't be switched off", "此扫码枪不能关闭"),
    "hub_no_answer": Kind(504, "The hub did not answer in time", "集线盒没有及时应答"),
    # The virtual counter
    "receipt_unknown": Kind(404, "There is no such receipt", "没有这张小票"),
    "scanner_unplugged": Kind(409, "The scanner is unplugged", "扫码枪未连接"),
    "scanner_held_off": Kind(409, "The hub keeps the scanner from reading", "集线盒暂时禁止扫码枪读取"),
    "scanner_busy": Kind(503, "Too many scans at once", "同时扫码过多"),
    "virtual_hub_unavailable": Kind(503, "The virtual hub can't be reached", "无法连接虚拟集线盒"),
    "scan_invalid": Kind(422, "This can't be a barcode", "这不可能是条码"),
    "fault_unknown": Kind(422, "There is no such fault", "没有这种故障"),
    # The service
    "internal": Kind(500, "The bridge made a mistake", "服务内部出错"),
    "stopping": Kind(503, "The bridge is stopping", "服务正在停止"),
    "busy": Kind(503, "The bridge has too much to do at once", "服务同时处理的事情过多"),
    "too_many_connections": Kind(503, "Too many connections", "连接过多"),
    "too_many_websockets": Kind(503, "Too many WebSockets", "WebSocket 过多"),
    "service_timeout": Kind(504, "The bridge did not answer in time", "服务没有及时应答"),
}

UNLISTED = Kind(503, "The bridge can't do this now", "服务现在无法完成")  # a refusal that is newer than this catalogue
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
    title_zh: str
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
            title_zh=kind.title_zh,
            status=self.status,
            code=code,
            detail=detail,
            kick=msgspec.UNSET if kick is None else kick,
            accepted=msgspec.UNSET if accepted is None else accepted,
            hubs=msgspec.UNSET if hubs is None else hubs,
        )

    def response(self) -> web.Response:
        headers = dict(self.headers)
        if self.status in (503, 504) and self.body.kick is msgspec.UNSET:  # the same kick is over: it will not open
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
