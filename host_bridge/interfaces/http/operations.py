"""The one table of addresses: the router and the OpenAPI document are both made from it."""

from __future__ import annotations

from collections.abc import Iterator

from host_bridge.interfaces.http import api, events, examples, virtual
from host_bridge.interfaces.http.body import MAX_INTEGER
from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.operation import (
    BODY_PROBLEMS,
    JSON,
    JSON_PROBLEMS,
    VIRTUAL_PROBLEMS,
    Answer,
    Media,
    Operation,
    Parameter,
)
from host_bridge.interfaces.http.shapes import (
    Accepted,
    DrawerOpen,
    Health,
    Hubs,
    Jobs,
    JobView,
    Light,
    Ports,
    ReceiptView,
    ScannerWish,
    Scans,
    Texts,
    VirtualFault,
    VirtualScan,
)
from host_bridge.journal.records import Kick
from host_bridge.state import ScannerState, State, Text

TAGS = {
    "service": Text("The service", "服务"),
    "printing": Text("Printing", "打印"),
    "drawer": Text("Cash drawer", "钱箱"),
    "scanner": Text("Scanner and events", "扫码与事件"),
    "virtual": Text("The virtual counter (with a virtual hub only)", "虚拟柜台（仅虚拟集线盒）"),
}


def _list_limit() -> Parameter:
    most = HttpLimits().list_items
    return Parameter(
        name="limit",
        place="query",
        schema={"type": "integer", "minimum": 1, "maximum": most, "default": api.DEFAULT_LIST_ITEMS},
        text=Text("how many at most", "最多返回多少条"),
    )


# No pattern: a malformed id is answered like an unknown one, with the words for it.
_JOB_ID = Parameter(
    name="job_id",
    place="path",
    schema={"type": "string", "examples": [examples.JOB_ID]},
    text=Text("16 hex digits, from the answer to print", "16 位十六进制数，来自打印请求的应答"),
)
_RECEIPT_N = Parameter(
    name="n",
    place="path",
    schema={"type": "integer", "minimum": 1, "pattern": "^[0-9]+$", "examples": [1]},
    text=Text("1 is the first receipt", "第一张小票为 1"),
)
_PNG = Media(content_type="image/png")


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/healthz",
        operation_id="health",
        tag="service",
        summary=Text("Is the service alive?", "服务是否存活"),
        description=Text(
            "200 as long as the bridge itself works, whatever the counter's condition.",
            "只要桥接服务本身正常就返回 200，与柜台设备状况无关。",
        ),
        handler=api.healthz,
        of_hub=False,
        answers=(
            Answer(
                status=200,
                text=Text("alive", "存活"),
                media=Media(content_type=JSON, shape=Health, example=examples.HEALTH),
            ),
        ),
        curl=("curl {base}/healthz",),
    ),
    Operation(
        method="GET",
        path="/api/v1/hubs",
        operation_id="hubs",
        tag="service",
        summary=Text("The hubs that this bridge serves", "本服务管理的集线盒"),
        description=Text(
            "Every address that acts on a hub is there with the hub in it too: `/api/v1/print` is also "
            "`/api/v1/hubs/{hub}/print`, and `/virtual/scan` is also `/api/v1/hubs/{hub}/virtual/scan`; `{hub}` is its "
            "name in the configuration or its id. With one hub both do the same. With several the short address is "
            "refused with `hub_not_named`: the bridge never guesses which drawer to open.",
            "所有操作集线盒的地址都有带集线盒名称的形式：`/api/v1/print` 也是 `/api/v1/hubs/{hub}/print`，"
            "`/virtual/scan` 也是 `/api/v1/hubs/{hub}/virtual/scan`；`{hub}` 为配置中的名称或其 ID。"
            "只有一个集线盒时两者相同；有多个时，短地址会以 `hub_not_named` 拒绝：绝不猜测要打开哪个钱箱。",
        ),
        handler=api.hubs,
        of_hub=False,
        answers=(
            Answer(
                status=200,
                text=Text("in the order of the configuration", "按配置中的顺序"),
                media=Media(content_type=JSON, shape=Hubs, example=examples.HUBS),
            ),
        ),
        curl=("curl {base}/api/v1/hubs",),
    ),
    Operation(
        method="GET",
        path="/api/v1/ports",
        operation_id="ports",
        tag="service",
        summary=Text("The serial ports of this machine", "本机的串口"),
        description=Text(
            "Which of them look like a hub, which hub greeted there last, and under which name it is served: a hub "
            "that is plugged in and not used has no `served_as`.",
            "哪些像集线盒、最近在其上应答的集线盒，以及它的服务名称：已接入但未使用的集线盒没有 `served_as`。",
        ),
        handler=api.ports,
        of_hub=False,
        answers=(
            Answer(
                status=200,
                text=Text("those that look like a hub first", "像集线盒的在前"),
                media=Media(content_type=JSON, shape=Ports, example=examples.PORTS),
            ),
        ),
        problems=("busy",),
        curl=("curl {base}/api/v1/ports", "counterhub ports"),
    ),
    Operation(
        method="GET",
        path="/api/v1/texts",
        operation_id="texts",
        tag="service",
        summary=Text("Reason codes in words", "原因代码的文字说明"),
        handler=api.texts,
        of_hub=False,
        answers=(
            Answer(
                status=200,
                text=Text("by code, in English and Chinese", "按代码，英文和中文"),
                media=Media(content_type=JSON, shape=Texts, example=examples.TEXTS),
            ),
        ),
        curl=("curl {base}/api/v1/texts",),
    ),
    Operation(
        method="GET",
        path="/api/v1/state",
        operation_id="state",
        tag="service",
        summary=Text("Everything a person can see", "当前全部状态"),
        description=Text(
            "Link, hub, devices, indicator and active faults with the sentences that tell a clerk what to do. "
            "Don't poll it: the WebSocket sends it first and then every change. The counters of `link.statistics` "
            "count since the bridge began to serve the hub, over all connections; `waiting_*` and `unacknowledged` are "
            "what waits at this moment.",
            "链路、集线盒、设备、指示灯，以及带有处理办法的当前故障。无需轮询：WebSocket 先发送它，之后发送每次变化。"
            "`link.statistics` 的计数从网桥开始服务该集线盒时算起，跨所有连接累计；"
            "`waiting_*` 和 `unacknowledged` 是此刻等待的数量。",
        ),
        handler=api.state,
        answers=(
            Answer(
                status=200,
                text=Text("the state", "状态"),
                media=Media(content_type=JSON, shape=State, example=examples.STATE),
            ),
        ),
        curl=("curl {base}/api/v1/state",),
    ),
    Operation(
        method="POST",
        path="/api/v1/print",
        operation_id="print",
        tag="printing",
        summary=Text("Print a receipt", "打印小票"),
        description=Text(
            "The job is committed to the journal before the 202: it survives a pulled cable and a killed bridge. "
            "Follow it by `job` events or at its address until its state is final: `printed` (the printer confirmed), "
            "`unconfirmed` (nobody can know; the bridge never prints it again by itself), `failed` or `cancelled`. "
            "Send an Idempotency-Key made before the first try, and the same key with every retry.",
            "返回 202 之前任务已写入日志：拔线、杀进程都不会丢。通过 `job` 事件或任务地址跟踪到终态："
            "`printed`（打印机已确认）、`unconfirmed`（无法得知，桥接不会自行重打）、`failed`、`cancelled`。"
            "首次发送前生成 Idempotency-Key，重试时使用同一个。",
        ),
        handler=api.print_job,
        acts=True,
        bodies=(
            Media(
                content_type="application/octet-stream",
                text=Text("complete ESC/POS commands", "完整的 ESC/POS 指令流"),
            ),
            Media(
                content_type="text/plain",
                shape=str,
                text=Text(
                    "UTF-8 unless a charset is named; the bridge adds the cut", "默认 UTF-8，可指定 charset；自动切纸"
                ),
                example="Tea 茶      12.00\nTotal 合计  12.00\n",
            ),
            Media(
                content_type="image/png",
                text=Text("scaled down to the paper, dithered, cut", "按纸宽缩小、抖动、切纸"),
            ),
        ),
        answers=(
            Answer(
                status=202,
                text=Text("journaled", "已写入日志"),
                media=Media(content_type=JSON, shape=Accepted, example=examples.ACCEPTED),
                headers=("Location", "Idempotency-Replayed"),
            ),
        ),
        problems=(
            *BODY_PROBLEMS,
            "not_printable",
            "text_undecodable",
            "truncated_command",
            "image_invalid",
            "image_too_large",
            "job_empty",
            "job_too_large",
            "queue_full",
            "journal_full",
            "journal_failed",
        ),
        curl=(
            "curl {base}/api/v1/print -H 'Content-Type: text/plain' -H \"Idempotency-Key: $(uuidgen)\" "
            "--data-binary 'Hello, counter'",
            "curl {base}/api/v1/print -H 'Content-Type: application/octet-stream' --data-binary @receipt.bin",
            "curl {base}/api/v1/print -H 'Content-Type: image/png' --data-binary @receipt.png",
        ),
    ),
    Operation(
        method="GET",
        path="/api/v1/jobs",
        operation_id="jobs",
        tag="printing",
        summary=Text("The newest jobs", "最近的打印任务"),
        handler=api.jobs,
        parameters=(_list_limit(),),
        answers=(
            Answer(
                status=200,
                text=Text("the newest first", "最新的在前"),
                media=Media(content_type=JSON, shape=Jobs, example=examples.JOBS),
            ),
        ),
        problems=("query_invalid",),
        curl=("curl '{base}/api/v1/jobs?limit=5'",),
    ),
    Operation(
        method="GET",
        path="/api/v1/jobs/{job_id}",
        operation_id="job",
        tag="printing",
        summary=Text("One job", "单个打印任务"),
        handler=api.job,
        parameters=(_JOB_ID,),
        answers=(
            Answer(
                status=200,
                text=Text("the job", "任务"),
                media=Media(content_type=JSON, shape=JobView, example=examples.JOB_VIEW),
            ),
        ),
        problems=("job_unknown",),
        curl=("curl {base}/api/v1/jobs/" + examples.JOB_ID,),
    ),
    Operation(
        method="GET",
        path="/api/v1/jobs/{job_id}/receipt.png",
        operation_id="job_receipt",
        tag="printing",
        summary=Text("A job as a picture", "任务的小票图像"),
        description=Text(
            "Drawn from the job's bytes, whatever its state: it shows what was asked for, and proves nothing.",
            "根据任务字节绘制，与任务状态无关：仅展示所要求的内容，不证明已打印。",
        ),
        handler=api.job_receipt,
        parameters=(_JOB_ID,),
        answers=(Answer(status=200, text=Text("the picture", "图像"), media=_PNG, headers=("ETag",)),),
        problems=("job_unknown", "receipt_gone", "busy"),
        curl=("curl -o receipt.png {base}/api/v1/jobs/" + examples.JOB_ID + "/receipt.png",),
    ),
    Operation(
        method="POST",
        path="/api/v1/jobs/{job_id}/cancel",
        operation_id="job_cancel",
        tag="printing",
        summary=Text("Cancel a job that has not begun", "取消尚未开始的任务"),
        handler=api.job_cancel,
        parameters=(_JOB_ID,),
        answers=(
            Answer(
                status=200,
                text=Text("cancelled", "已取消"),
                media=Media(content_type=JSON, shape=JobView, example=examples.JOB_VIEW),
            ),
        ),
        problems=("job_unknown", "job_not_cancellable"),
        curl=("curl -X POST {base}/api/v1/jobs/" + examples.JOB_ID + "/cancel",),
    ),
    Operation(
        method="POST",
        path="/api/v1/drawer/open",
        operation_id="drawer_open",
        tag="drawer",
        summary=Text("Open the drawer, now or never", "打开钱箱（立即或永不）"),
        description=Text(
            "Answers when the outcome is known. `opened`: the drawer's switch says so; `unverified`: the pulse was "
            "given and the drawer has no switch. Anything else is a problem with the kick in it, and the drawer will "
            "not open later by itself.",
            "结果明确后才应答。`opened`：钱箱开关已确认；`unverified`：已发脉冲但钱箱没有开关。"
            "其余均为带有 kick 的错误，且钱箱之后不会自行打开。",
        ),
        handler=api.drawer_open,
        acts=True,
        bodies=(Media(content_type=JSON, shape=DrawerOpen, example=examples.DRAWER_OPEN),),
        body_required=False,
        answers=(
            Answer(
                status=200,
                text=Text("opened, or pulse given", "已打开，或已发脉冲"),
                media=Media(content_type=JSON, shape=Kick, example=examples.KICK),
                headers=("Idempotency-Replayed",),
            ),
        ),
        problems=(
            *JSON_PROBLEMS,
            "kick_invalid",
            "kick_busy",
            "drawer_stuck",
            "printer_power",
            "duty",
            "repeated",
            "kick_failed",
            "bridge_restarted",
            "link_down",
            "link_busy",
            "link_lost",
            "expired",
            "no_answer",
            "journal_full",
            "journal_failed",
        ),
        curl=(
            'curl -X POST {base}/api/v1/drawer/open -H "Idempotency-Key: $(uuidgen)"',
            "curl {base}/api/v1/drawer/open -H 'Content-Type: application/json' -d '{\"drawer\":2}'",
        ),
    ),
    Operation(
        method="GET",
        path="/api/v1/scans",
        operation_id="scans",
        tag="scanner",
        summary=Text("Journaled scans", "已记录的扫码"),
        description=Text(
            "For looking back. To sell, use the WebSocket: reading this list does not acknowledge anything.",
            "仅用于回看。销售请使用 WebSocket：读取此列表不会确认任何扫码。",
        ),
        handler=api.scans,
        parameters=(
            Parameter(
                name="after",
                place="query",
                schema={"type": "integer", "minimum": 0, "maximum": MAX_INTEGER, "default": 0},
                text=Text("only scans with a higher sequence number", "只返回序号更大的扫码"),
            ),
            _list_limit(),
            Parameter(
                name="newest",
                place="query",
                schema={"type": "integer", "minimum": 1, "maximum": HttpLimits().list_items},
                text=Text(
                    "only the newest so many; without `after` and `limit`", "只返回最新的若干条；不与 after、limit 同用"
                ),
            ),
        ),
        answers=(
            Answer(
                status=200,
                text=Text("the oldest first", "最早的在前"),
                media=Media(content_type=JSON, shape=Scans, example=examples.SCANS),
            ),
        ),
        problems=("query_invalid",),
        curl=("curl '{base}/api/v1/scans?after=3016&limit=10'", "curl '{base}/api/v1/scans?newest=10'"),
    ),
    Operation(
        method="POST",
        path="/api/v1/scanner",
        operation_id="scanner_switch",
        tag="scanner",
        summary=Text("Switch the scanner off for a time, or on", "暂时关闭或打开扫码枪"),
        description=Text(
            "UnifiedPOS Scanner.DeviceEnabled: while it is off the scanner does not read. Answers when the hub has "
            "done it. It is on again by itself when `for_ms` is over (five minutes if left out, an hour at most) and "
            "when the link goes down, so that a till that crashed leaves no counter without its scanner; a till that "
            "wants it off for longer asks again. The hub's board file must name its trigger (`scanner.trigger`).",
            "相当于 UnifiedPOS Scanner.DeviceEnabled：关闭期间扫码枪不读码，集线盒执行后才应答。"
            "`for_ms` 到期（省略为五分钟，最长一小时）或链路断开时会自动打开，以免收银软件崩溃后柜台无法扫码；"
            "需要更久请再次请求。要求板卡配置中写明触发方式（`scanner.trigger`）。",
        ),
        handler=api.scanner_switch,
        bodies=(Media(content_type=JSON, shape=ScannerWish, example=examples.SCANNER_WISH),),
        answers=(
            Answer(
                status=200,
                text=Text("how the scanner is now", "扫码枪当前状态"),
                media=Media(content_type=JSON, shape=ScannerState, example=examples.SCANNER_OFF),
            ),
        ),
        problems=(
            *JSON_PROBLEMS,
            "scanner_switch_invalid",
            "scanner_not_switchable",
            "link_down",
            "link_busy",
            "link_lost",
            "hub_no_answer",
        ),
        curl=(
            "curl {base}/api/v1/scanner -H 'Content-Type: application/json' -d '{\"enabled\":false,\"for_ms\":60000}'",
            "curl {base}/api/v1/scanner -H 'Content-Type: application/json' -d '{\"enabled\":true}'",
        ),
    ),
    Operation(
        method="GET",
        path=events.PATH,
        operation_id="events",
        tag="scanner",
        summary=Text("WebSocket: scans and everything that happens", "WebSocket：扫码与全部事件"),
        description=Text(
            "First comes `state`; then the scans that no till has acknowledged yet (`redelivered` where they were "
            "offered before); then what happens, as it happens. Answer each `scan` with "
            '`{"type":"ack","sequence":N}` once your till has taken it over: what is not acknowledged comes again '
            "after a reconnect, until it expires. Every till gets a scan; the first acknowledgement settles it, and "
            "`scan_settled` tells the others. Messages have a `type`; ignore types and fields that you don't know. "
            "Close codes: 1001 the bridge stops; 1008 too many unusable messages; 1013 you read too slowly. "
            "After any of them connect again.",
            "首先是 `state`，然后是尚未确认的扫码（曾发送过的带 `redelivered`），之后是实时事件。"
            "收银软件接收扫码后请回复 "
            '`{"type":"ack","sequence":N}`：未确认的扫码在重连后会再次发送，直到过期。每台收银机都会收到扫码，'
            "第一个确认生效，其余收到 `scan_settled`。请忽略不认识的 type 和字段。"
            "关闭码：1001 服务停止；1008 无效消息过多；1013 读取过慢。之后请重新连接。",
        ),
        handler=events.events,
        websocket=True,
        parameters=(
            Parameter(
                name="observe",
                place="query",
                schema={"type": "string", "enum": ["0", "1"], "default": "0"},
                text=Text("1: only watch; scans can't be acknowledged", "1：仅观察，不能确认扫码"),
            ),
        ),
        answers=(Answer(status=101, text=Text("switching to WebSocket", "切换到 WebSocket")),),
        problems=("query_invalid", "upgrade_required", "too_many_websockets"),
        curl=("npx wscat -c {websocket_base}/api/v1/events", "counterhub scans --follow"),
    ),
    Operation(
        method="POST",
        path="/virtual/scan",
        operation_id="virtual_scan",
        tag="virtual",
        summary=Text("Hold a barcode under the scanner", "把条码放到扫码枪下"),
        handler=virtual.scan,
        bodies=(Media(content_type=JSON, shape=VirtualScan, example=examples.VIRTUAL_SCAN),),
        answers=(
            Answer(
                status=202,
                text=Text("the scanner has seen it; it arrives as an event", "扫码枪已读到；随后以事件到达"),
                media=Media(content_type=JSON, shape=VirtualScan, example=examples.VIRTUAL_SCAN),
            ),
        ),
        problems=(
            *JSON_PROBLEMS,
            *VIRTUAL_PROBLEMS,
            "scanner_unplugged",
            "scanner_held_off",
            "scanner_busy",
            "scan_invalid",
        ),
        curl=(
            "curl {base}/virtual/scan -H 'Content-Type: application/json' "
            '-d \'{"data":"6901234567892","symbology":"]E0"}\'',
        ),
    ),
    Operation(
        method="GET",
        path="/virtual/receipts",
        operation_id="virtual_receipts",
        tag="virtual",
        summary=Text("The paper that came out", "已出纸的小票"),
        handler=virtual.receipts,
        answers=(
            Answer(
                status=200,
                text=Text("the oldest first", "最早的在前"),
                media=Media(content_type=JSON, shape=list[ReceiptView], example=examples.RECEIPTS),
            ),
        ),
        problems=(*VIRTUAL_PROBLEMS,),
        curl=("curl {base}/virtual/receipts",),
    ),
    Operation(
        method="GET",
        path="/virtual/receipts/{n}.png",
        operation_id="virtual_receipt_png",
        tag="virtual",
        summary=Text("A receipt as a picture", "小票图像"),
        handler=virtual.receipt_png,
        parameters=(_RECEIPT_N,),
        answers=(Answer(status=200, text=Text("the picture", "图像"), media=_PNG),),
        problems=(*VIRTUAL_PROBLEMS, "receipt_unknown"),
        curl=("curl -o receipt.png {base}/virtual/receipts/1.png",),
    ),
    Operation(
        method="GET",
        path="/virtual/receipts/{n}.bin",
        operation_id="virtual_receipt_bin",
        tag="virtual",
        summary=Text("The bytes that left the hub's printer UART", "集线盒打印串口发出的字节"),
        handler=virtual.receipt_bin,
        parameters=(_RECEIPT_N,),
        answers=(
            Answer(status=200, text=Text("the bytes", "字节"), media=Media(content_type="application/octet-stream")),
        ),
        problems=(*VIRTUAL_PROBLEMS, "receipt_unknown"),
        curl=("curl -o receipt.bin {base}/virtual/receipts/1.bin",),
    ),
    Operation(
        method="GET",
        path="/virtual/faults",
        operation_id="virtual_faults",
        tag="virtual",
        summary=Text("The faults that can be injected", "可注入的故障"),
        handler=virtual.faults,
        answers=(
            Answer(
                status=200,
                text=Text("each with whether it is active", "每项及其是否生效"),
                media=Media(content_type=JSON, shape=list[VirtualFault], example=[examples.VIRTUAL_FAULT]),
            ),
        ),
        problems=(*VIRTUAL_PROBLEMS,),
        curl=("curl {base}/virtual/faults",),
    ),
    Operation(
        method="POST",
        path="/virtual/faults",
        operation_id="virtual_set_fault",
        tag="virtual",
        summary=Text("Inject a fault, or take it away", "注入或解除故障"),
        handler=virtual.set_fault,
        bodies=(Media(content_type=JSON, shape=VirtualFault, example=examples.VIRTUAL_FAULT),),
        answers=(
            Answer(
                status=200,
                text=Text("done", "完成"),
                media=Media(content_type=JSON, shape=VirtualFault, example=examples.VIRTUAL_FAULT),
            ),
        ),
        problems=(*JSON_PROBLEMS, *VIRTUAL_PROBLEMS, "fault_unknown"),
        curl=(
            'curl {base}/virtual/faults -H \'Content-Type: application/json\' -d \'{"fault":"cable","active":true}\'',
        ),
    ),
    Operation(
        method="GET",
        path="/virtual/light",
        operation_id="virtual_light",
        tag="virtual",
        summary=Text("The LED's light over time", "状态灯的亮灭过程"),
        description=Text(
            "Each change of light, the newest 1000 at most, the oldest first. Times count from the start of the "
            "virtual hub's process; the last colour shines still.",
            "每次亮灭变化，最多保留最新 1000 次，最早的在前。时间从虚拟集线盒进程启动算起；最后一种颜色仍亮着。",
        ),
        handler=virtual.light,
        parameters=(
            Parameter(
                name="after_ms",
                place="query",
                schema={"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
                text=Text("only changes later than this", "只返回此时刻之后的变化"),
            ),
        ),
        answers=(
            Answer(
                status=200,
                text=Text("the oldest first", "最早的在前"),
                media=Media(content_type=JSON, shape=list[Light], example=examples.LIGHTS),
            ),
        ),
        problems=(*VIRTUAL_PROBLEMS, "query_invalid"),
        curl=("curl '{base}/virtual/light?after_ms=120000'",),
    ),
    Operation(
        method="POST",
        path="/virtual/drawer/close",
        operation_id="virtual_drawer_close",
        tag="virtual",
        summary=Text("Push the drawer shut", "推上钱箱"),
        handler=virtual.close_drawer,
        answers=(Answer(status=204, text=Text("pushed", "已推上")),),
        problems=(*VIRTUAL_PROBLEMS,),
        curl=("curl -X POST {base}/virtual/drawer/close",),
    ),
)


def every_operation() -> Iterator[Operation]:
    """Those of the table, and those that name the hub."""
    for operation in OPERATIONS:
        yield operation
        if operation.of_hub:
            yield operation.named()
