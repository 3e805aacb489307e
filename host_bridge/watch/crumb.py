"""A dying hub's crumb as a sentence: what died, where, and how often. Made by firmware/hub/survival.py."""

from __future__ import annotations

import re

from host_bridge.state import Text

_UPTIME = re.compile(r"\d{1,9}s")
_COUNT = re.compile(r"\d{1,4}x")
_ASKED_FOR = ("prompt", "asked")  # resets that somebody wanted: no crash


def explain(crumb: str) -> Text | None:
    """The sentence, or None where nothing crashed. What it does not know stands in it as it came."""
    parts = crumb.split(":") if crumb else []
    times = parts.pop() if parts and _COUNT.fullmatch(parts[-1]) else ""
    uptime = parts.pop() if parts and _UPTIME.fullmatch(parts[-1]) else ""
    if not parts or (parts[0] == "reset" and parts[1:2] and parts[1] in _ASKED_FOR):
        return None
    what, where, step = (*parts, "", "", "")[:3]
    en, zh = _what_died(what, where, step)
    if uptime:
        en += f", {uptime[:-1]} s after its start"
        zh += f"（启动 {uptime[:-1]} 秒后）"
    if times:
        en += f"; {times[:-1]} times in a row"
        zh += f"；已连续 {times[:-1]} 次"
    return Text(en, zh)


def _what_died(what: str, where: str, step: str) -> tuple[str, str]:
    place_en = f"task {where}" + (f" at {step}" if step and step != "?" else "")
    place_zh = f"任务 {where}" + (f"（步骤 {step}）" if step and step != "?" else "")
    if what == "hang" and where == "?":
        return "The hub's program hung outside of its tasks", "集线盒程序在任务之外卡死"
    if what == "hang":
        return f"The hub's program hung in {place_en}", f"集线盒程序卡死在{place_zh}"
    if what == "late":
        return f"In the hub {place_en} took too long", f"集线盒{place_zh}超时"
    if what == "reset" and where == "failing":
        return f"In the hub task {step} failed again and again", f"集线盒任务 {step} 反复出错"
    if what == "crash":
        why = step if step and step != "?" else "an error"
        return f"The hub's program could not start ({why})", f"集线盒程序无法启动（{step or '错误'}）"
    return f"The hub's program ended: {':'.join(part for part in (what, where, step) if part)}", (
        f"集线盒程序已终止：{':'.join(part for part in (what, where, step) if part)}"
    )
