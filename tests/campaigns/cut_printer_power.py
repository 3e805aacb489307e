"""Take the printer's power away for a moment, again and again while it prints; then judge each job by the paper.

    python -m tests.campaigns.cut_printer_power --cuts 200 --signs memory --seed 7

`--signs`: what shows that the printer lost its power, see `virtual.printer_power_signs` (comma-separated, or `none`).
A job called printed must be on paper whole, exactly once. One that is not is unconfirmed for the printer's power.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.live_bridge import LiveBridge, Till, end_virtual_hub

CONFIG: Final = """
[virtual]
engine = "{engine}"
printer_baud_rate = {baud}
print_speed_mm_per_s = 1000
printer_power_signs = [{signs}]
"""
RECEIPT_BYTES: Final = (100, 30_000)
CUT_AFTER_S: Final = (0.0, 0.6)  # from the job's start; a job of 30 kB takes 0.35 s at 921600 baud
CUT_S: Final = (0.05, 3.0)
FINAL_DEADLINE_S: Final = 60.0


class Figures(msgspec.Struct):
    """What the campaign counted. `ok` if nothing promised was broken."""

    cuts: int = 0
    seconds: float = 0.0
    printed: int = 0
    unconfirmed: int = 0
    printed_wrongly: int = 0  # called printed, and not whole or not once on paper
    untold_reasons: int = 0  # not printed, and the reason is not the printer's power
    reasons: dict[str, int] = {}
    broken: list[str] = []

    @property
    def ok(self) -> bool:
        return not (self.printed_wrongly or self.untold_reasons)


def receipt(number: int, rng: random.Random) -> bytes:
    """Text and a picture, in any mixture; no two are alike."""
    rows = rng.randint(0, (RECEIPT_BYTES[1] - 1000) // 72)
    dots = rng.randbytes(rows * 72) if rng.random() < 0.2 else rng.choice((b"\0", b"\xff", b"\x81")) * rows * 72
    picture = b"\x1dv0\x00\x48\x00" + rows.to_bytes(2, "little") + dots if rows % 3 else b""
    lines = b"".join(b"%d times %d\n" % (line, rng.randrange(1 << 40)) for line in range(rng.randint(1, 40)))
    start = b"\x1b@" if rng.random() < 0.8 else b""
    return start + b"receipt %d\n" % number + lines + picture + b"\n" + rng.choice((b"\x1dV\x42\x00", b""))


async def cut(till: Till, rng: random.Random, figures: Figures) -> None:
    """One cut, in or near a job; the job behind it waits meanwhile."""
    data = [receipt(figures.cuts * 2 + n, rng) for n in range(2)]
    jobs = [await till.print(each) for each in data]
    await till.until(lambda job: job["state"] != "queued", f"/api/v1/jobs/{jobs[0]}")
    await asyncio.sleep(rng.uniform(*CUT_AFTER_S))
    await till.fault("printer_power", True)
    await asyncio.sleep(rng.uniform(*CUT_S) if rng.random() < 0.5 else CUT_S[0])
    await till.fault("printer_power", False)
    figures.cuts += 1
    for job_id, wanted in zip(jobs, data, strict=True):
        job = await till.final(job_id, FINAL_DEADLINE_S)
        judge(job, await on_paper(till, wanted), figures)


async def on_paper(till: Till, wanted: bytes) -> int:
    """How often exactly this came out."""
    found = 0
    for one in (await till.receipts())[-8:]:
        found += await till.get(f"/virtual/receipts/{one['n']}.bin") == wanted
    return found


def judge(job: dict[str, Any], times: int, figures: Figures) -> None:
    reason = job["reason"] or ""
    figures.reasons[reason] = figures.reasons.get(reason, 0) + 1
    if job["state"] == "printed":
        figures.printed += 1
        figures.printed_wrongly += times != 1
        good = times == 1
    else:
        figures.unconfirmed += 1
        figures.untold_reasons += reason != "printer_power"
        good = reason == "printer_power"
    if not good:
        figures.broken.append(
            f"cut {figures.cuts}: {job['state']} {reason}, {times} on paper, {job['size_bytes']} bytes"
        )


async def campaign(
    folder: Path, *, cuts: int, signs: tuple[str, ...], seed: int, engine: str = "cpython", baud: int = 921_600
) -> Figures:
    """Run it on a bridge of its own."""
    config = CONFIG.format(engine=engine, baud=baud, signs=", ".join(f'"{sign}"' for sign in signs))
    bridge = LiveBridge(folder / "state", config)
    figures, rng, begun = Figures(reasons=collections.Counter()), random.Random(seed), time.monotonic()
    bridge.start()
    till = Till(bridge)
    try:
        await till.link_up()
        for _ in range(cuts):
            await cut(till, rng, figures)
    finally:
        await till.close()
        bridge.stop()
        end_virtual_hub(bridge.state_dir)
    figures.seconds = round(time.monotonic() - begun, 1)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--signs", default="memory")
    parser.add_argument("--engine", default="cpython")
    parser.add_argument("--baud", type=int, default=921_600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    chosen = parser.parse_args()
    signs = () if chosen.signs == "none" else tuple(chosen.signs.split(","))
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(
            campaign(
                Path(folder), cuts=chosen.cuts, signs=signs, seed=chosen.seed, engine=chosen.engine, baud=chosen.baud
            )
        )
    print(f"seed {chosen.seed}, signs {', '.join(signs) or 'none'}")
    for name, value in msgspec.structs.asdict(figures).items():
        print(f"{name:>16} {value}")
    sys.exit(not figures.ok)


if __name__ == "__main__":
    main()
