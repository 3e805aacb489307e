"""A program that adds to a journal as fast as it can and says each thing that was acknowledged; made to be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from host_bridge.journal import JobState, Journal


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def sell(journal: Journal, till: int) -> None:
    for count in range(1_000_000):
        job, _ = await journal.add_job(f"receipt {till}.{count}".encode() * 50, "raw", f"{till}.{count}")
        say("job", job.job_id, job.sha256)
        await journal.set_job(job.job_id, JobState.SENDING, expected={JobState.QUEUED}, boot_id="b")
        say("sending", job.job_id)
        scan, _ = await journal.add_scan("hub", f"boot{till}", count, b"4006381333931", "]E0", True, False, 1.0)
        say("scan", scan.sequence, till, count)
        kick, _ = await journal.add_kick("api", 1)
        say("kick", kick.kick_id)


async def main() -> None:
    journal = await Journal.open(Path(sys.argv[1]))
    await asyncio.gather(*(sell(journal, till) for till in range(4)))


asyncio.run(main())
