"""`counterhub ports`: the serial ports of this machine, which of them may be a hub, and what is in the way."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Styled

from host_bridge.cli.screen import mark
from host_bridge.cli.words import Words
from host_bridge.hub.ports import PortInfo


def render(ports: list[PortInfo], words: Words) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for key in ("device", "hub", "usb", "serial", "what"):
        table.add_column(words(f"ports.{key}"), no_wrap=key in ("device", "hub", "usb"), overflow="fold")
    for port in ports:
        likely = mark("ok", words("ports.likely")) if port.looks_like_hub else Styled(words("ports.no"), "dim")
        table.add_row(port.device, likely, usb_id(port), port.serial_number or "–", port.description or "–")
    problems = [_problem(port, words) for port in ports if port.problem]
    return Group(table, *problems)


def usb_id(port: PortInfo) -> str:
    """`2e8a:0005`, as lsusb and the Device Manager write it."""
    if port.vid is None or port.pid is None:
        return "–"
    return f"{port.vid:04x}:{port.pid:04x}"


def _problem(port: PortInfo, words: Words) -> Styled:
    sign = mark("warning", f"{port.device}: {port.problem_detail or port.problem}")
    if not port.remedy:
        return sign
    return Styled.assemble(sign, "\n  ", (words("remedy"), "bold"), port.remedy)
