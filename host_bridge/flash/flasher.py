"""The whole of `counterhub flash`: find the board, take its prompt, lay the firmware, hear the hub greet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from host_bridge.boards import files
from host_bridge.boards.check import check, wrong_hub_name
from host_bridge.boards.files import BoardFile
from host_bridge.boards.schema import Board
from host_bridge.flash import recognise
from host_bridge.flash.errors import FlashError
from host_bridge.flash.greeting import GREETING_TIMEOUT_S, wait_for_greeting
from host_bridge.flash.handover import ask_for_prompt
from host_bridge.flash.install import Plan, Progress, install
from host_bridge.flash.payload import BOARD_FILE, LaidFile, board_json
from host_bridge.flash.prompt import Identity, Prompt, open_prompt
from host_bridge.hub import ports
from host_bridge.hub.manners import manners_of, may_pulse
from host_bridge.state import Text
from hublink.hello import FLAG_SAFE_MODE

REPLUG_WAIT_S: Final = 120.0
RESTART_WAIT_S: Final = 8.0  # a hub that was asked restarts in a second; the system's port takes some more
POLL_S: Final = 0.1
HOLD_BUTTON: Final = Text(
    "The hub is running. Hold its safe-mode button, pull its USB plug, put it back in, count to three, let go.",
    "集线盒正在运行。请按住安全模式按钮，拔下 USB 插头再插回，数到三后松开。",
)
NO_FILE_SYSTEM: Final = Text(
    "The board has no file system: formatting was cut off, or its flash held other software. Formatting it.",
    "开发板没有文件系统：格式化曾被中断，或闪存中有其他软件的数据。正在格式化。",
)

# What a technician is told while it goes on.
Tell = Callable[[Text], None]


class Flashed(NamedTuple):
    """What was done."""

    identity: Identity
    board: str
    plan: Plan
    hello: dict[str, Any]


class Flasher:
    """Flashes the board on one port. `tell` says what happens and what to do next."""

    def __init__(
        self,
        tell: Tell,
        *,
        opener: Callable[..., Prompt | None] = open_prompt,
        greeting: Callable[[str, float], dict[str, Any]] = wait_for_greeting,
        ask: Callable[[str], bool] = ask_for_prompt,
        find: Callable[[str], list[str]] = ports.resolve,
        replug_wait_s: float = REPLUG_WAIT_S,
    ) -> None:
        self._tell = tell
        self._open = opener
        self._greeting = greeting
        self._ask = ask
        self._find = find
        self._replug_wait_s = replug_wait_s
        self.port = ""

    def flash(
        self, port: str, firmware: list[LaidFile], board: BoardFile | None, name: str | None, progress: Progress
    ) -> Flashed:
        """Lay the firmware, and the board file if one is given or none is there. Raises FlashError."""
        _check_name(name)
        with self.prompt(port) as prompt:
            identity = prompt.identify()
            self._tell(Text(f"Found {identity.machine} on {self.port}.", f"在 {self.port} 找到 {identity.machine}。"))
            laid, board_name = self._board_file(prompt, identity, board, name)
            if not prompt.has_file_system():
                self._tell(NO_FILE_SYSTEM)
                prompt.make_file_system()
            plan = install(prompt, [*firmware, laid], progress)
            prompt.reset()
        self._tell(Text("The hub starts; waiting for its greeting.", "集线盒正在启动，等待握手。"))
        hello = self._greeting(self.port, GREETING_TIMEOUT_S)
        _verify(hello, board_name)
        return Flashed(identity, board_name, plan, hello)

    def prompt(self, port: str) -> Prompt:
        """The prompt of the board: as it stands, by asking the hub, by its reset line, or by the technician's hand."""
        found = self.choose(port)
        prompt = self._open(found, pulse=False)
        if prompt is None and self._ask(found):
            self._tell(Text("The hub restarts for it.", "集线盒正在为此重新启动。"))
            prompt = self._wait_for_prompt(port, RESTART_WAIT_S)
        if prompt is None and may_pulse(manners_of(found)):
            prompt = self._again(lambda: self._open(self.choose(port), pulse=True))
        if prompt is not None:
            return prompt
        self._tell(HOLD_BUTTON)
        prompt = self._wait_for_prompt(port, self._replug_wait_s)
        if prompt is not None:
            return prompt
        raise FlashError(
            Text(f"{found}: no MicroPython prompt", f"{found}：没有出现 MicroPython 提示符"),
            Text(
                "Is MicroPython on the board? If not: counterhub flash --image FILE, with a Pico's BOOTSEL button held "
                "while it is plugged in.",
                "开发板上有 MicroPython 吗？若没有：counterhub flash --image 文件（Pico 需按住 BOOTSEL 插入）。",
            ),
        )

    def _wait_for_prompt(self, port: str, span_s: float) -> Prompt | None:
        """The prompt of a board that starts, within so long."""
        until = time.monotonic() + span_s
        while time.monotonic() < until:
            time.sleep(POLL_S)
            prompt = self._again(lambda: self._open(self.choose(port), pulse=False))
            if prompt is not None:
                return prompt
        return None

    def _again(self, attempt: Callable[[], Prompt | None]) -> Prompt | None:
        """While the board starts, or the plug is out, there is no port: no error then."""
        try:
            return attempt()
        except FlashError:
            return None

    def choose(self, port: str) -> str:
        """The one port there is to flash; several are a question, not a guess."""
        found = self._find(port)
        if not found:
            raise _no_board(recognise.find_boot_drives())
        if len(found) > 1:
            listed = ", ".join(found)
            raise FlashError(
                Text(f"several boards may be meant: {listed}", f"找到多个端口：{listed}"),
                Text("Name one with --port.", "请用 --port 指定其中一个。"),
            )
        self.port = found[0]
        return found[0]

    def _board_file(
        self, prompt: Prompt, identity: Identity, board: BoardFile | None, name: str | None
    ) -> tuple[LaidFile, str]:
        """The board file that was asked for; else the one that the hub has; else the one of this board."""
        present = self._present(prompt)
        hub_name = name or (str(present["hub_name"]) if present and present.get("hub_name") else None)
        if board is None and present is not None:
            self._tell(
                Text(
                    f"The hub keeps its board file ({present['name']}); --board writes another.",
                    f"保留集线盒已有的板卡配置（{present['name']}）；用 --board 可更换。",
                )
            )
            values = present | ({"hub_name": hub_name} if hub_name else {})
            return board_json(values), str(present["name"])
        if board is None:
            recognised = recognise.board_of(identity)
            if recognised is None:
                raise FlashError(
                    Text(f"no board file for {identity.machine!r}", f"没有适用于 {identity.machine!r} 的板卡配置"),
                    Text(
                        "Write one, starting from a file of counterhub boards list, and name it with --board.",
                        "请参照 counterhub boards list 中的文件编写，并用 --board 指定。",
                    ),
                )
            board = files.read(recognised)
        read = checked(board)
        recognise.fits(read, identity)
        return board_json(files.board_file(board.text, hub_name)), read.name

    def _present(self, prompt: Prompt) -> dict[str, Any] | None:
        """The board file on the hub; None if there is none that the hub could read."""
        if BOARD_FILE not in prompt.files():
            return None
        try:
            values = msgspec.json.decode(prompt.read(BOARD_FILE))
        except msgspec.DecodeError:
            values = None
        if not isinstance(values, dict) or "name" not in values or "link" not in values:
            self._tell(
                Text("The hub's board file is damaged and will be replaced.", "集线盒的板卡配置已损坏，将被替换。")
            )
            return None
        return values


def _no_board(drives: list[recognise.BootDrive]) -> FlashError:
    """Nothing to flash: because nothing is plugged in, or because what is has no MicroPython and so no port."""
    if drives:
        listed = ", ".join(f"{drive.path} ({drive.model})" for drive in drives)
        return FlashError(
            Text(f"a board waits for MicroPython: {listed}", f"有开发板在等待写入 MicroPython：{listed}"),
            Text(
                "Take the .uf2 file of this board from micropython.org/download, then: counterhub flash --image FILE",
                "请从 micropython.org/download 下载该开发板的 .uf2 文件，然后执行：counterhub flash --image 文件",
            ),
        )
    return FlashError(
        Text("no board was found", "没有找到开发板"),
        Text(
            "Plug it in with a data cable, not a charging cable; counterhub ports lists what there is. Without "
            "MicroPython a board may have no port: counterhub flash --image FILE, with a Pico's BOOTSEL or an ESP32's "
            "BOOT held while it is plugged in.",
            "请用数据线（不是充电线）连接；counterhub ports 可列出端口。没有 MicroPython 的开发板可能没有端口："
            "counterhub flash --image 文件（Pico 按住 BOOTSEL、ESP32 按住 BOOT 插入）。",
        ),
    )


def _verify(hello: dict[str, Any], board: str) -> None:
    """The hub that greets runs on what was laid. Raises FlashError."""
    if "board" not in hello:
        raise FlashError(
            Text("the hub greets in another version of the link", "集线盒使用了另一版本的协议"),
            Text("Bring counterhub on this machine up to date.", "请升级本机的 counterhub。"),
        )
    if hello["board"] != board:
        raise FlashError(
            Text(
                f"the hub greets as board {hello['board']!r}, laid was {board!r}: it could not read its board file",
                f"集线盒报告的板卡为 {hello['board']!r}，而写入的是 {board!r}：未能读取板卡配置",
            ),
            Text("Give the same command again.", "请再执行一次相同命令。"),
        )
    if hello["flags"] & FLAG_SAFE_MODE:
        raise FlashError(
            Text("the hub greets in safe mode", "集线盒处于安全模式"),
            Text(
                "Pull its plug, put it back in; if it stays, counterhub status says what its program died of.",
                "请重新插拔线缆；若仍如此，counterhub status 会显示程序出错的原因。",
            ),
        )


def checked(board: BoardFile) -> Board:
    """The board of a file without errors. Raises FlashError."""
    read, found = check(board)
    wrong = next((finding for finding in found if finding.severity == "error"), None)
    if read is None or wrong is not None:
        key = wrong.key if wrong else ""
        reason = wrong.reason if wrong else Text("it can't be read", "无法读取")
        raise FlashError(
            Text(f"{board.name}: {key}: {reason.en}", f"{board.name}：{key}：{reason.zh}"),
            Text(
                f"counterhub boards check {board.name} lists all of it.",
                f"counterhub boards check {board.name} 可查看全部问题。",
            ),
        )
    return read


def _check_name(name: str | None) -> None:
    wrong = None if name is None else wrong_hub_name(name)
    if wrong:
        raise FlashError(Text(*wrong))
