"""What can go wrong while flashing, in a technician's words."""

from __future__ import annotations

from host_bridge.state import Text


class FlashError(Exception):
    """Flashing can't go on. `reason` says what was expected and what came, `remedy` what to do."""

    def __init__(self, reason: Text, remedy: Text | None = None) -> None:
        super().__init__(reason.en)
        self.reason = reason
        self.remedy = remedy


def missing_tool(name: str) -> FlashError:
    return FlashError(
        Text(f"{name} isn't installed; flashing needs it", f"缺少 {name}，无法刷写"),
        Text('Install it with: pip install "counterhub[setup]"', '请安装：pip install "counterhub[setup]"'),
    )
