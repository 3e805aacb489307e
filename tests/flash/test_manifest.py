"""The manifest for a frozen build names all that is laid on a board."""

from __future__ import annotations

from host_bridge.flash.payload import PACKAGES, STARTERS
from tests.checks.rules import ROOT


def test_the_manifest_freezes_what_flashing_lays() -> None:
    named: dict[str, list[str]] = {"package": [], "module": []}
    path = ROOT / "firmware" / "manifest.py"
    exec(path.read_text(encoding="utf-8"), {kind: found.append for kind, found in named.items()})
    assert sorted(named["package"]) == sorted(PACKAGES)
    assert sorted(named["module"]) == sorted(STARTERS)
