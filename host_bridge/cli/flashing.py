"""`counterhub flash`, `repl`, `backup` and `erase`: what a technician does with a board. Needs no running bridge."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer

from host_bridge.boards import files
from host_bridge.cli import screen, step_pictures
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.progress import FileBar
from host_bridge.cli.words import Words, choose_language
from host_bridge.flash import esp32, payload, recognise, workbench
from host_bridge.flash.errors import FlashError
from host_bridge.flash.flasher import HOLD_BUTTON, Flashed, Flasher, checked
from host_bridge.hub import ports
from host_bridge.hub.ports import AUTO
from host_bridge.state import Text

BOOT_DRIVE_WAIT_S: Final = 120
FIRST_START_WAIT_S: Final = 20
RESTART_S: Final = 2  # in which a chip with USB of its own has left the bus: until then the loader's port stands there
POLL_S: Final = 0.5

Lang = Annotated[
    Literal["en", "zh"] | None,
    typer.Option("--lang", envvar="COUNTERHUB_LANG", help="Language; otherwise the locale's.", show_default=False),
]
Port = Annotated[str, typer.Option("--port", metavar="auto|PATH", help="The board's serial port.")]

_DONE = Text(
    "Flashed: {name} ({board}), firmware {firmware}. It greets.",
    "刷写完成：{name}（{board}），固件 {firmware}，握手正常。",
)
_NOTHING = Text(
    "Nothing to do: {name} ({board}) has firmware {firmware}. It greets.",
    "无需更新：{name}（{board}）固件 {firmware}，握手正常。",
)
_NEXT = Text(
    "Next: wire the devices (counterhub boards show {board} draws how), then counterhub run.",
    "下一步：接好各设备（counterhub boards show {board} 可查看接线图），然后执行 counterhub run。",
)
_COMPILING = Text("Compiling the firmware.", "正在编译固件。")
_BOOTSEL = Text(
    "Hold the board's BOOTSEL button, plug in its USB cable, let go. Waiting for its drive.",
    "按住开发板的 BOOTSEL 按钮，插入 USB 线，然后松开。正在等待其磁盘出现。",
)
_NO_DRIVE = Text("no boot drive appeared within {seconds} s", "{seconds} 秒内没有出现启动磁盘")
_MOUNT_DRIVE = Text(
    "Hold BOOTSEL while you plug the board in, with a data cable. If you did, this computer has not mounted its drive, "
    "RPI-RP2 or RP2350: mount it (on Linux as a folder in /media or /mnt) and give the same command again.",
    "请用数据线连接，并在插入时按住 BOOTSEL。若已按住，则是本机没有挂载其磁盘（RPI-RP2 或 RP2350）："
    "请先挂载（Linux 下挂载到 /media 或 /mnt 中的文件夹），再执行一次相同命令。",
)
_SEVERAL_DRIVES = Text("several boards wait for an image: {drives}", "有多块开发板在等待镜像：{drives}")
_ONE_BOARD = Text("Leave one plugged in.", "请只保留一块。")
_COPYING = Text("Copying MicroPython ({sha256}…) to {model}.", "正在把 MicroPython（{sha256}…）写入 {model}。")
_STARTING = Text("The board starts with MicroPython.", "开发板正在以 MicroPython 启动。")
_NO_IMAGE = Text(
    "{name}: expected a .uf2 (Pico boards) or a .bin (ESP32)", "{name}：应为 .uf2（Pico 系列）或 .bin（ESP32）"
)
_WRITING = Text(
    "Writing MicroPython ({sha256}…) to the {chip} on {port}.",
    "正在把 MicroPython（{sha256}…）写入 {port} 上的 {chip}。",
)
_ERASE_WHAT = Text("--erase-all goes with --image and a .bin file", "--erase-all 须与 --image 和 .bin 文件一起使用")
_NO_PORT = Text("the board shows no port since it has MicroPython", "写入 MicroPython 后开发板没有出现端口")
_ERASE_ALL = Text(
    "Pull its cable and put it back in. If it still has no port, other software has left its data in the flash: hold "
    "BOOT while you plug it in, and give the same command again with --erase-all.",
    "请重新插拔线缆。若仍无端口，说明闪存中残留其他软件的数据：请按住 BOOT 插入，再加上 --erase-all 执行相同命令。",
)
_KEPT = Text("{count} files copied to {folder}.", "已将 {count} 个文件复制到 {folder}。")
_ERASE = Text(
    "Remove all files from the board on {port}? MicroPython stays.",
    "确定删除 {port} 上开发板的全部文件吗？MicroPython 会保留。",
)
_ERASED = Text(
    "{count} files removed. counterhub flash makes it a hub again.",
    "已删除 {count} 个文件。执行 counterhub flash 可重新刷写。",
)
_LEFT = Text("Nothing was removed.", "未删除任何文件。")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (flash, repl, backup, erase):
        app.command()(command)


def flash(
    board: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The board file; otherwise the hub's own, or that of the board found."),
    ] = None,
    port: Port = AUTO,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="The hub's name, such as counter-3.")] = None,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="First put this MicroPython on the board: .uf2 on a Pico, .bin on an ESP32."),
    ] = None,
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="What the image's SHA-256 must be.")] = None,
    erase_all: Annotated[
        bool, typer.Option("--erase-all", help="With a .bin: first erase the ESP32's whole flash, files and all.")
    ] = False,
    lang: Lang = None,
) -> None:
    """Make a board a hub, or bring a hub up to date. Can be given again at any time."""
    words = Words(choose_language(lang))

    def work() -> None:
        file = None if board is None else _board_file(board, words)
        if erase_all and (image is None or image.suffix.lower() != ".bin"):
            _fail(ExitCode.USAGE, words.of(_ERASE_WHAT), None, words)
        if image is not None:
            _put_image(image, sha256, port, erase_all, words)
        screen.tell(words.of(_COMPILING))
        firmware = payload.firmware_files()
        flasher = Flasher(_telling(words))
        with FileBar() as bar:
            done = flasher.flash(port, firmware, file, name, bar.show)
        _tell_done(done, words)

    _run(work, words)


def repl(port: Port = AUTO, lang: Lang = None) -> None:
    """Open the board's Python prompt; Ctrl-] leaves it. The hub's program stops until the board is reset."""
    words = Words(choose_language(lang))

    def work() -> None:
        flasher = Flasher(_telling(words))
        with flasher.prompt(port) as prompt:
            prompt.leave()
        code = subprocess.call([sys.executable, "-m", "mpremote", "connect", flasher.port, "resume", "repl"])
        raise typer.Exit(code)

    _run(work, words)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    port: Port = AUTO,
    lang: Lang = None,
) -> None:
    """Copy all files of a board into a folder, and start the hub again."""
    words = Words(choose_language(lang))

    def work() -> None:
        with Flasher(_telling(words)).prompt(port) as prompt:
            try:
                count = workbench.backup(prompt, folder, screen.tell)
            finally:
                prompt.reset()
        screen.say(words.of(_KEPT).format(count=count, folder=folder))

    _run(work, words)


def erase(
    port: Port = AUTO,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    lang: Lang = None,
) -> None:
    """Remove all files from a board; asks first. MicroPython stays."""
    words = Words(choose_language(lang))

    def work() -> None:
        flasher = Flasher(_telling(words))
        with flasher.prompt(port) as prompt:
            if not yes and not typer.confirm(words.of(_ERASE).format(port=flasher.port), err=True):
                prompt.reset()
                screen.tell(words.of(_LEFT))
                raise typer.Exit(int(ExitCode.FAILED))
            count = workbench.erase(prompt)
        screen.say(words.of(_ERASED).format(count=count))

    _run(work, words)


# --- what the commands share


def _telling(words: Words) -> Callable[[Text], None]:
    """Say what is going on; where hands are wanted, draw what they do."""

    def tell(text: Text) -> None:
        screen.tell(words.of(text))
        if text is HOLD_BUTTON:
            screen.tell(step_pictures.draw(step_pictures.SAFE_MODE, words))

    return tell


def _run(work: Callable[[], None], words: Words) -> None:
    try:
        work()
    except FlashError as error:
        _fail(ExitCode.FAILED, words.of(error.reason), words.of(error.remedy) if error.remedy else None, words)
    except OSError as error:
        _fail(ExitCode.USAGE, str(error), None, words)


def _fail(code: ExitCode, message: str, remedy: str | None, words: Words) -> NoReturn:
    screen.print_error(CommandError(code, message, remedy), words)
    raise typer.Exit(int(code))


def _board_file(name: str, words: Words) -> files.BoardFile:
    """A board file that was checked: before the board is touched."""
    try:
        file = files.read(name)
    except files.UnknownBoard:
        _fail(ExitCode.USAGE, f"--board {name}", ", ".join(files.shipped()), words)
    except ValueError as error:
        _fail(ExitCode.USAGE, str(error), None, words)
    try:
        checked(file)
    except FlashError as error:
        _fail(ExitCode.USAGE, words.of(error.reason), words.of(error.remedy) if error.remedy else None, words)
    return file


def _put_image(path: Path, sha256: str | None, port: str, erase_all: bool, words: Words) -> None:
    """MicroPython onto a board that has none, or an old one."""
    kind = path.suffix.lower()
    if kind == ".uf2":
        _copy_to_drive(path, sha256, words)
        _wait_for_port(port)
    elif kind == ".bin":
        image = esp32.read_image(path, sha256)
        chosen = Flasher(_telling(words)).choose(port)
        screen.tell(words.of(_WRITING).format(sha256=image.sha256[:12], chip=image.chip, port=chosen))
        esp32.write_image(image, chosen, erase_all=erase_all)
        screen.tell(words.of(_STARTING))
        time.sleep(RESTART_S)
        if not _wait_for_port(port):
            _fail(ExitCode.FAILED, words.of(_NO_PORT), words.of(_ERASE_ALL), words)
    else:
        _fail(ExitCode.USAGE, words.of(_NO_IMAGE).format(name=path.name), None, words)


def _copy_to_drive(path: Path, sha256: str | None, words: Words) -> None:
    """A Pico that waits for its image, or will."""
    image = recognise.read_image(path, sha256)
    drives = recognise.find_boot_drives()
    if not drives:
        screen.tell(words.of(_BOOTSEL))
        screen.tell(step_pictures.draw(step_pictures.BOOTSEL, words))
        until = time.monotonic() + BOOT_DRIVE_WAIT_S
        while not drives and time.monotonic() < until:
            time.sleep(POLL_S)
            drives = recognise.find_boot_drives()
    if not drives:
        _fail(ExitCode.FAILED, words.of(_NO_DRIVE).format(seconds=BOOT_DRIVE_WAIT_S), words.of(_MOUNT_DRIVE), words)
    if len(drives) > 1:
        listed = ", ".join(str(drive.path) for drive in drives)
        _fail(ExitCode.USAGE, words.of(_SEVERAL_DRIVES).format(drives=listed), words.of(_ONE_BOARD), words)
    screen.tell(words.of(_COPYING).format(sha256=image.sha256[:12], model=drives[0].model))
    recognise.copy_image(image, drives[0])
    screen.tell(words.of(_STARTING))


def _wait_for_port(port: str) -> bool:
    """At its first start MicroPython formats its file system; then its port appears."""
    until = time.monotonic() + FIRST_START_WAIT_S
    while not (there := _is_there(port)) and time.monotonic() < until:
        time.sleep(POLL_S)
    return there


def _is_there(port: str) -> bool:
    if port == AUTO:
        return bool(ports.resolve(port))
    return ports.is_url(port) or Path(port).exists() or any(each.device == port for each in ports.system_comports())


def _tell_done(done: Flashed, words: Words) -> None:
    said = _NOTHING if done.plan.is_empty else _DONE
    hello = done.hello
    screen.say(words.of(said).format(name=hello["name"], board=hello["board"], firmware=hello["firmware"]))
    screen.tell(words.of(_NEXT).format(board=hello["board"]))
