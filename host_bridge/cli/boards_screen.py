"""`counterhub boards`: list the boards, check their files, draw their wiring. Needs no running bridge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Styled

from host_bridge.boards import files, picture, wiring
from host_bridge.boards.check import Finding, check
from host_bridge.boards.chips import CHIPS, HeaderPin
from host_bridge.boards.schema import Board
from host_bridge.cli import screen
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words, choose_language
from host_bridge.state import Text

_ANNOTATION_CELLS = 26
_BOARD_CELLS = 29

boards_app = typer.Typer(name="boards", help="The boards that a hub can be built on.", no_args_is_help=True)
Lang = Annotated[
    Literal["en", "zh"] | None,
    typer.Option("--lang", envvar="COUNTERHUB_LANG", help="Language; otherwise the locale's.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_NO_SUCH_BOARD = Text("there is no board or file {name!r}", "没有名为 {name!r} 的板卡或文件")
_KNOWN_BOARDS = Text(
    "Boards: {names}. A file of your own ends in .toml.", "可用板卡：{names}。自己的文件须以 .toml 结尾。"
)
_WRONG = Text("{name} has errors; nothing is drawn.", "{name} 有错误，无法绘图。")
_SEE_CHECK = Text("counterhub boards check {name}", "counterhub boards check {name}")
_NO_PICTURE = Text(
    "{name} has no header that is known here, so there is no picture.", "没有 {name} 的排针资料，无法绘制接线图。"
)
_OK = Text("good", "正确")
_PINS = Text("pins that would do: ", "可用引脚：")
_USE = Text("what to do: ", "处理方法：")
_WRITTEN = Text("Written: {path}", "已写入：{path}")
_HEADS = {
    "name": Text("name", "名称"),
    "board": Text("board", "开发板"),
    "chip": Text("chip", "芯片"),
    "link": Text("link", "链路"),
    "drawer": Text("drawer", "钱箱"),
    "light": Text("light", "指示灯"),
    "colour": Text("wire", "线色"),
    "pin": Text("pin", "引脚"),
    "to": Text("goes to", "连接到"),
    "carries": Text("carries", "作用"),
}
_PARTS = Text("Parts", "元件")
_NOTES = Text("Before you start", "注意事项")
_VIRTUAL = Text("the virtual hub's", "虚拟集线盒")


@boards_app.command("list")
def list_boards(as_json: AsJson = False, lang: Lang = None) -> None:
    """List the boards that come with Counterhub."""
    words = Words(choose_language(lang))
    boards = [files.parse(files.read(name).text) for name in files.shipped()]
    if as_json:
        screen.print_json([_summary(board) for board in boards])
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for key in ("name", "board", "chip", "link", "drawer", "light"):
        table.add_column(words.of(_HEADS[key]), no_wrap=key in ("name", "board"), overflow="fold")
    for board in boards:
        row = _summary(board)
        title = row["title"] or words.of(_VIRTUAL)
        table.add_row(row["name"], title, row["chip"], row["link"], row["drawer"] or "–", row["light"] or "–")
    screen.stdout().print(table)


@boards_app.command("check")
def check_boards(
    boards: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|NAME]…", help="Files, or names of boards; all boards if none.")
    ] = None,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Check board files against the chips' pin tables. Exits with 2 if one has an error; warnings are no errors."""
    words = Words(choose_language(lang))
    results = []
    for name in boards or files.shipped():
        file = _read(name, words)
        results.append((file.name, check(file)[1]))
    if as_json:
        screen.print_json(
            [
                {"file": name, "ok": not _has_errors(found), "findings": msgspec.to_builtins(found)}
                for name, found in results
            ]
        )
    else:
        for name, found in results:
            screen.stdout().print(render_findings(name, found, words), soft_wrap=True)
    if any(_has_errors(found) for _, found in results):
        raise typer.Exit(int(ExitCode.USAGE))


@boards_app.command("show")
def show(
    board: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A board's name, or a board file.")],
    svg: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="Write the picture as SVG; - for standard output.")
    ] = None,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Draw how a board is wired: in the terminal, or as SVG to print."""
    words = Words(choose_language(lang))
    file = _read(board, words)
    read, found = check(file)
    if read is None or _has_errors(found):
        screen.stderr().print(render_findings(file.name, found, words), soft_wrap=True)
        _fail(words.of(_WRONG).format(name=file.name), words.of(_SEE_CHECK).format(name=board), words)
    try:
        plan = wiring.plan(read)
    except wiring.NoPicture:
        _fail(words.of(_NO_PICTURE).format(name=board), None, words)
    title = read.title or read.name
    if svg == "-":
        print(picture.draw(plan, title), end="")
    elif svg is not None:
        _write(Path(svg), picture.draw(plan, title), words)
        screen.tell(words.of(_WRITTEN).format(path=svg))
    elif as_json:
        screen.print_json({"board": _summary(read), "wires": list(_rows_as_json(plan))})
    else:
        screen.stdout().print(render_wiring(plan, title, words))


# --- what the commands share


def _read(name: str, words: Words) -> files.BoardFile:
    try:
        return files.read(name)
    except files.UnknownBoard:
        names = ", ".join(files.shipped())
        _fail(words.of(_NO_SUCH_BOARD).format(name=name), words.of(_KNOWN_BOARDS).format(names=names), words)
    except OSError as error:
        _fail(f"{name}: {error.strerror or error}", None, words)
    except ValueError as error:
        _fail(str(error), None, words)


def _write(path: Path, text: str, words: Words) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        _fail(f"{path}: {error.strerror or error}", None, words)


def _fail(message: str, remedy: str | None, words: Words) -> NoReturn:
    screen.print_error(CommandError(ExitCode.USAGE, message, remedy), words)
    raise typer.Exit(int(ExitCode.USAGE))


def _has_errors(found: list[Finding]) -> bool:
    return any(finding.severity == "error" for finding in found)


def _summary(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "title": board.title,
        "chip": board.chip,
        "port": board.port,
        "link": board.link.transport,
        "drawer": board.drawer.wiring if board.drawer else None,
        "light": board.indicator.kind if board.indicator else None,
        "watchdog_ms": board.watchdog_ms,
    }


# --- what is shown


def render_findings(name: str, found: list[Finding], words: Words) -> RenderableType:
    """One line a file that is good; else each finding with its key, reason, remedy and the pins that would do."""
    if not found:
        return screen.mark("ok", f"{name}: {words.of(_OK)}")
    lines: list[RenderableType] = []
    for finding in found:
        where = ": ".join(part for part in (finding.file, finding.key, words.of(finding.reason)) if part)
        lines.append(screen.mark(finding.severity, where))
        if finding.remedy:
            lines.append(Styled.assemble("  ", (words.of(_USE), "bold"), words.of(finding.remedy)))
        if finding.pins:
            lines.append(Styled.assemble("  ", (words.of(_PINS), "bold"), ", ".join(map(str, finding.pins))))
    return Group(*lines)


def render_wiring(plan: wiring.Wiring, title: str, words: Words) -> RenderableType:
    """The board with its pins, then every wire, then parts and notes."""
    head = Styled.assemble((title, "bold"), f"  {CHIPS[plan.model.chip].title}\n")
    return Group(
        head,
        *_board_lines(plan, words),
        "",
        *(_module_table(module, words) for module in plan.modules),
        _list(words.of(_PARTS), plan.parts, words),
        _list(words.of(_NOTES), plan.notes, words),
    )


def _board_lines(plan: wiring.Wiring, words: Words) -> Iterator[Styled]:
    """The header as seen from above, each used pin with its wire."""
    notes: dict[HeaderPin, tuple[str, str]] = {}
    for module in plan.modules:
        for wire in module.wires:
            notes[wire.pin] = (f"{wire.key} {words.of(wiring.COLOURS[wire.colour].name)}", wire.colour)
        for supply in module.supplies:
            notes.setdefault(supply.pin, (supply.rail, wiring.RAIL_COLOURS[supply.rail]))
    inside = _BOARD_CELLS - 2
    yield Styled(" " * (_ANNOTATION_CELLS + 3) + "┌" + "┤ USB ├".center(inside, "─") + "┐")
    for row in range(max(len(plan.model.left), len(plan.model.right))):
        left, right = plan.model.left[row], plan.model.right[row]
        names = f"{left.number:>5} {left.label:<6}", f"{right.label:>8} {right.number:<5}"
        middle = (names[0] + names[1].rjust(inside - len(names[0])))[:inside]
        before, after = notes.get(left), notes.get(right)
        text = before[0] if before else ""
        padding = " " * max(0, _ANNOTATION_CELLS - cell_len(text))
        yield Styled.assemble(
            padding,
            (text, _style(before)),
            (" ━━" if before else "   ", _style(before)),
            ("╋" if before else "│"),
            middle,
            ("╋" if after else "│"),
            ("━━ " if after else "   ", _style(after)),
            (after[0] if after else "", _style(after)),
        )
    yield Styled(" " * (_ANNOTATION_CELLS + 3) + "└" + "─" * inside + "┘")


def _style(note: tuple[str, str] | None) -> str:
    """Black can't be seen on a dark terminal, white not on a bright one: those stay as the terminal writes."""
    return wiring.COLOURS[note[1]].rgb if note and note[1] not in ("black", "white") else ""


def _module_table(module: wiring.Module, words: Words) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    for key in ("pin", "colour", "to", "carries"):
        table.add_column(words.of(_HEADS[key]), overflow="fold")
    for wire in module.wires:
        colour = wiring.COLOURS[wire.colour]
        table.add_row(
            _pin(wire.pin),
            Styled(words.of(colour.name), _style(("", wire.colour))),
            _goes_to(wire),
            words.of(wire.signal),
        )
    for supply in module.supplies:
        table.add_row(
            _pin(supply.pin),
            words.of(wiring.COLOURS[wiring.RAIL_COLOURS[supply.rail]].name),
            _goes_to(supply),
            supply.rail,
        )
    name = words.of(module.device) + (f" · {words.of(module.adapter)}" if module.adapter else "")
    if module.part:
        name += f" · {module.part}"
    return Group(Styled(name, "bold"), table, "")


def _pin(pin: HeaderPin) -> str:
    return f"{pin.number} ({pin.label})"


def _goes_to(row: wiring.Wire | wiring.Supply) -> str:
    terminal = " ".join(row.terminal.split())
    return f"{terminal} → {' '.join(row.beyond.split())}" if row.beyond else terminal


def _list(heading: str, lines: tuple[Text, ...], words: Words) -> RenderableType:
    return Group(Styled(heading, "bold"), *(Styled(f"  • {words.of(line)}") for line in lines), "")


def _rows_as_json(plan: wiring.Wiring) -> Iterator[dict[str, Any]]:
    for module in plan.modules:
        for wire in module.wires:
            yield _row_as_json(module, wire) | {"key": wire.key, "colour": wire.colour, "carries": wire.signal.en}
        for supply in module.supplies:
            colour = wiring.RAIL_COLOURS[supply.rail]
            yield _row_as_json(module, supply) | {"key": None, "colour": colour, "carries": supply.rail}


def _row_as_json(module: wiring.Module, row: wiring.Wire | wiring.Supply) -> dict[str, Any]:
    return {
        "module": module.kind,
        "pin": row.pin.number,
        "label": row.pin.label,
        "gpio": row.pin.gpio,
        "terminal": row.terminal,
        "device_terminal": " ".join(row.beyond.split()) or None,
    }
