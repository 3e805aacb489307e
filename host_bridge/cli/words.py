"""What the command line says, in English and Chinese."""

from __future__ import annotations

import locale
import os
from typing import Literal

from host_bridge.state import Text
from host_bridge.watch.reasons import REASON_TEXTS

Language = Literal["en", "zh"]

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts, as in POSIX

TABLE: dict[str, tuple[str, str]] = {
    # errors
    "error": ("error: ", "错误："),
    "remedy": ("what to do: ", "处理方法："),
    "unreachable": ("No bridge answers at {url}: {why}.", "{url} 没有服务应答：{why}。"),
    "unreachable.remedy": (
        "Start it with: counterhub run    (to try it without a hub: counterhub run --virtual)\n"
        "If it runs at another address, name it with --url or in COUNTERHUB_URL.",
        "启动服务：counterhub run    （没有集线盒也可以试用：counterhub run --virtual）\n"
        "如果服务在别的地址，请用 --url 或环境变量 COUNTERHUB_URL 指定。",
    ),
    "why.refused": ("nothing listens there", "该地址无程序监听"),
    "why.late": ("no answer within {seconds:g} s", "{seconds:g} 秒内没有应答"),
    "why.name": ("the name can't be resolved", "无法解析主机名"),
    "why.lost": ("the connection broke off", "连接中断"),
    "url.invalid": (
        "Expected an address like http://127.0.0.1:9180, got {url!r}.",
        "地址应类似 http://127.0.0.1:9180，收到的是 {url!r}。",
    ),
    "strange": ("{url} answers, but not like a Counterhub bridge: {why}.", "{url} 有应答，但不像 Counterhub：{why}。"),
    "strange.remedy": (
        "Check the address, and that bridge and command line have the same version (this is {version}).",
        "请检查地址，并确认服务与命令行版本一致（本程序为 {version}）。",
    ),
    "refused": ("The bridge refused: {detail}", "服务拒绝了请求：{detail}"),
    "hub_not_named": (
        "This bridge serves several hubs, and none was named.",
        "本服务管理多个集线盒，但没有指定哪一个。",
    ),
    "hub_unknown": ("This bridge serves no hub of that name or id.", "本服务没有该名称或 ID 的集线盒。"),
    "hub_not_named.remedy": (
        "Name one with --hub or in COUNTERHUB_HUB: {names}.",
        "请用 --hub 或环境变量 COUNTERHUB_HUB 指定其中一个：{names}。",
    ),
    "hub_unknown.remedy": ("The hubs here are: {names}.", "现有的集线盒：{names}。"),
    # status
    "hubs.title": ("{count} hubs", "{count} 个集线盒"),
    "hubs.hint": ("more with --hub {name}", "详情请加 --hub {name}"),
    "hubs.unused": (
        "{port}: a hub ({id}) is plugged in and not used; `counterhub ports` tells more",
        "{port}：接入的集线盒（{id}）未使用；详情见 counterhub ports",
    ),
    "hubs.ready": ("ready", "就绪"),
    "hubs.warning": ("warning", "警告"),
    "hubs.fault": ("fault", "故障"),
    "virtual": ("virtual hub", "虚拟集线盒"),
    "link": ("Link", "链路"),
    "link.up": ("up", "已连接"),
    "link.down": ("down", "已断开"),
    "path.primary": ("Main cable", "主线缆"),
    "path.backup": ("Backup cable", "备用线缆"),
    "path.in_use": ("in use", "使用中"),
    "path.standby": ("ready", "就绪"),
    "path.down": ("does not work", "不可用"),
    "path.other_hub": ("leads to another hub", "接到了另一个集线盒"),
    "link.since": ("since {time}", "自 {time}"),
    "link.round_trip": ("{ms:.1f} ms round trip", "往返 {ms:.1f} 毫秒"),
    "hub": ("Hub", "集线盒"),
    "hub.none": ("none was met yet", "尚未连接过"),
    "hub.last": ("last met", "上次连接"),
    "hub.firmware": ("firmware {version}", "固件 {version}"),
    "hub.boots": ("boot {boots}, cause: {cause}", "第 {boots} 次启动，原因：{cause}"),
    "hub.safe_mode": ("SAFE MODE", "安全模式"),
    "hub.crumb": ("last crash: {crash} ({crumb})", "上次崩溃：{crash}（{crumb}）"),
    "scanner": ("Scanner", "扫码枪"),
    "printer": ("Printer", "打印机"),
    "drawer": ("Drawer", "钱箱"),
    "indicator": ("Light", "指示灯"),
    "ready": ("ready", "就绪"),
    "printing": ("printing", "正在打印"),
    "fault": ("fault", "故障"),
    "unknown": ("unknown", "未知"),
    "closed": ("closed", "关闭"),
    "open": ("open", "打开"),
    "scanner.scans": ("{count} read", "已读 {count} 个"),
    "scanner.off_until": ("on again at {time}", "{time} 自动打开"),
    "scanner.on": ("The scanner reads.", "扫码枪已打开。"),
    "scanner.off": (
        "The scanner is off until {time}; `counterhub scanner on` ends it before.",
        "扫码枪已关闭，{time} 自动打开；也可运行 `counterhub scanner on`。",
    ),
    "off": ("switched off", "已关闭"),
    "scanner.waiting": ("{count} waiting for a till", "{count} 个等待收银软件"),
    "paper.ok": ("paper ok", "纸张正常"),
    "paper.near_end": ("paper nearly used up", "纸张将尽"),
    "paper.end": ("no paper", "缺纸"),
    "paper.unknown": ("paper unknown", "纸张未知"),
    "printer.cover": ("cover open", "上盖打开"),
    "printer.cutter": ("cutter blocked", "切刀故障"),
    "printer.queued": ("{count} waiting", "{count} 个任务等待"),
    "printer.current": ("now {job}", "正在打印 {job}"),
    "indicator.should": ("should show: {meaning}", "应显示：{meaning}"),
    "faults": ("Faults", "故障"),
    "faults.none": ("No faults.", "没有故障。"),
    "fault.since": ("since {time}", "自 {time}"),
    "fault.waits": ("light blinks slowly, blue", "指示灯蓝色慢闪"),  # the hub can't know why, and waits for the till
    "fault.blinks": ("light blinks {count} ×", "指示灯闪 {count} 次"),
    "fault.unshown": ("the light does not show it", "指示灯不显示"),
    "severity.error": ("ERROR", "错误"),
    "severity.warning": ("WARNING", "警告"),
    "severity.notice": ("NOTICE", "提示"),
    # print
    "print.accepted": ("Job {job} accepted ({size} bytes).", "任务 {job} 已接收（{size} 字节）。"),
    "print.replayed": (
        "The idempotency key was known: this is the earlier job {job}.",
        "幂等键已使用：这是之前的任务 {job}。",
    ),
    "print.duplicate": (
        "the same content was sent as job {job} {seconds} s before",
        "相同内容已在 {seconds} 秒前作为任务 {job} 发送",
    ),
    "print.warning": ("warning: {text}", "警告：{text}"),
    "print.waiting": ("Job {job}: {state}", "任务 {job}：{state}"),
    "print.lost": ("The bridge went away; waiting for it to come back.", "服务暂时不可用，等待恢复。"),
    "print.unfinished": (
        "Job {job} is still {state} after {seconds:g} s; it goes on in the bridge.",
        "任务 {job} 在 {seconds:g} 秒后仍为“{state}”，服务会继续处理。",
    ),
    "print.interrupted": (
        "Stopped waiting. Job {job} goes on in the bridge.",
        "已停止等待。任务 {job} 仍由服务继续处理。",
    ),
    "job.queued": ("queued", "排队中"),
    "job.sending": ("sending", "发送中"),
    "job.printed": ("printed", "已打印"),
    "job.unconfirmed": ("unconfirmed", "未确认"),
    "job.failed": ("failed", "失败"),
    "job.cancelled": ("cancelled", "已取消"),
    "job.unconfirmed.remedy": (
        "Nobody can know whether it was printed. Look at the printer before you print it again.",
        "无法确认是否已打印。重打之前请先查看打印机。",
    ),
    "file.missing": ("There is no file {path}.", "文件 {path} 不存在。"),
    "file.unreadable": ("{path} can't be read: {why}.", "无法读取 {path}：{why}。"),
    "file.large": ("{path} is larger than {limit} MiB.", "{path} 超过 {limit} MiB。"),
    "file.empty": ("{path} is empty: there is nothing to print.", "{path} 是空文件，没有可打印的内容。"),
    "file.kind": (
        "{path}: can't tell from the name what it is. Expected .txt (text, UTF-8), .png (picture) or .bin, .prn, "
        ".escpos (printer commands).",
        "{path}：无法从文件名判断类型。支持 .txt（UTF-8 文本）、.png（图片）、.bin、.prn、.escpos（打印机指令）。",
    ),
    "file.kind.remedy": ("Say what it is with --type text, png or escpos.", "请用 --type 指定 text、png 或 escpos。"),
    # scans
    "scans.none": ("No scans yet.", "还没有扫码记录。"),
    "scans.sequence": ("No.", "序号"),
    "scans.time": ("read at", "时间"),
    "scans.symbology": ("symbology", "码制"),
    "scans.data": ("data", "内容"),
    "scans.state": ("state", "状态"),
    "scans.waiting": ("waiting", "等待"),
    "scans.delivered": ("delivered", "已送达"),
    "scans.expired": ("expired", "已过期"),
    "scans.check_digit": ("check digit wrong", "校验位错误"),
    "scans.gs1": ("GS1 data wrong", "GS1 数据错误"),
    "scans.repeat": ("repeat", "重复"),
    "scans.following": (
        "Watching {url}; scans stay with the till. Ctrl-C ends it.",
        "正在观察 {url}，不影响收银软件接收。按 Ctrl-C 结束。",
    ),
    "scans.lost": ("Connection lost ({why}); trying again.", "连接中断（{why}），正在重试。"),
    "scans.back": ("Connected again.", "已重新连接。"),
    # drawer
    "drawer.opened": ("The drawer is open.", "钱箱已打开。"),
    "drawer.unverified": (
        "The drawer got its pulse; it has no switch that could confirm it.",
        "已发出开箱脉冲；该钱箱没有状态开关，无法确认。",
    ),
    "drawer.failed": (
        "The drawer did not open: {reason}. It will not open later by itself.",
        "钱箱没有打开：{reason}。之后也不会自行打开。",
    ),
    "drawer.unsure": (
        "Nobody can know whether the drawer opened: {reason}. Look at it.",
        "无法得知钱箱是否打开：{reason}。请查看钱箱。",
    ),
    # ports
    "ports.none": ("This machine has no serial port.", "本机没有串口。"),
    "ports.none.remedy": (
        "Plug the hub in with a USB cable that carries data, not a charging cable. Then run this again.",
        "请用数据线（不是充电线）连接集线盒，然后重新运行。",
    ),
    "ports.device": ("port", "端口"),
    "ports.what": ("what it is", "说明"),
    "ports.usb": ("USB id", "USB 标识"),
    "ports.serial": ("serial number", "序列号"),
    "ports.hub": ("hub?", "集线盒?"),
    "ports.id": ("id", "ID"),
    "ports.likely": ("likely", "很可能"),
    "ports.served": ("served: {name}", "使用中：{name}"),
    "ports.unused": ("not used", "未使用"),
    "ports.unused.what": (
        "{port}: hub {id} ({name}) is plugged in and not used. To use it, give it a table [hubs.NAME] with this id.",
        "{port}：集线盒 {id}（{name}）已接入但未使用。如需使用，请在配置中为它添加带此 ID 的 [hubs.NAME]。",
    ),
    "ports.no": ("no", "否"),
    "ports.failed": ("The system did not list its serial ports: {why}.", "系统未能列出串口：{why}。"),
    # run
    "run.ready": ("Counterhub is ready", "Counterhub 已就绪"),
    "run.dashboard": ("dashboard", "控制台"),
    "run.raw": ("receipt printer", "小票打印机"),
    "run.raw.hint": ("raw printing; choose “network printer, ESC/POS”", "原始打印，请选“网络打印机 ESC/POS”"),
    "run.stop": ("Ctrl-C stops it", "按 Ctrl-C 停止"),
    "run.virtual": ("with a virtual hub", "使用虚拟集线盒"),
    "run.emulated": ("with an emulated Pico", "使用模拟的 Pico"),
    "run.emulated.lay": (
        "Laying the firmware on the emulated Pico. This takes a minute or two, and only when the firmware changed.",
        "正在把固件写入模拟的 Pico，需要一两分钟；仅在固件有变化时进行。",
    ),
    "run.emulated.laid": ("{count} files laid.", "已写入 {count} 个文件。"),
    "run.emulated.stopped": (
        "Stopped. The same command goes on from here.",
        "已停止。再次执行相同命令即可继续。",
    ),
    "run.emulated.slow": (
        "An emulated chip is slow: a receipt with a picture takes about a minute. All limits are counted in its time, "
        "so nothing breaks by it.",
        "模拟的芯片很慢：带图片的小票约需一分钟。所有时限都按芯片的时间计算，不会因此出错。",
    ),
    "run.emulated.alone": (
        "--emulated-pico is a hub of its own: leave out --port and --engine.",
        "--emulated-pico 本身就是集线盒：请去掉 --port 和 --engine。",
    ),
    "run.in_use.remedy": (
        "If that is another `counterhub run`, use it or stop it. Otherwise choose other ports with --http and --raw.",
        "如果是另一个 counterhub run，请直接使用或先停止它；否则用 --http 和 --raw 换端口。",
    ),
    "run.failed": ("The bridge can't start: {why}", "服务无法启动：{why}"),
    "run.stop_late": (
        "The bridge did not stop in time and was ended. Nothing promised is lost: the journal has it.",
        "服务未能及时停止，已强制结束。已承诺的内容都保存在日志中，不会丢失。",
    ),
    "run.died": ("A part of the bridge ended, so it stopped: {why}", "服务的一个部分意外结束，因此已停止：{why}"),
    "run.died.remedy": (
        "Start it again; the journal has what was promised. If it happens again, report it with the log.",
        "请重新启动，已承诺的内容保存在日志中。如果再次发生，请附上日志反馈。",
    ),
    "run.privilege": (
        "This user may not use that address or directory. Choose a port above 1023, or another --state-dir.",
        "当前用户无权使用该地址或目录。请选 1023 以上的端口，或换一个 --state-dir。",
    ),
    "run.address": (
        "This machine has no such address. Use 127.0.0.1 for this machine only, 0.0.0.0 for all of its networks.",
        "本机没有该地址。仅本机使用填 127.0.0.1，所有网络填 0.0.0.0。",
    ),
}


class Words:
    """The sentences of one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence `key`; a key that isn't in the table (a state from a newer bridge) returns itself."""
        pair = TABLE.get(key)
        if pair is None:
            return key.rpartition(".")[2]
        return pair[1 if self.language == "zh" else 0].format(**values)

    def reason(self, code: str | None) -> str:
        """Why a job or a kick ended as it did; a code that isn't in the table (of a newer bridge) returns itself."""
        text = REASON_TEXTS.get(code or "")
        return str(code) if text is None else self.of(text)

    def of(self, text: Text) -> str:
        """Return the text in this language."""
        return text.zh if self.language == "zh" else text.en


def choose_language(asked: str | None) -> Language:
    """Return what was asked for, or else the language of the user's locale; English unless it is Chinese."""
    name = asked or next((os.environ[key] for key in LOCALE_VARIABLES if os.environ.get(key)), None)
    if name is None:
        name = locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en"
