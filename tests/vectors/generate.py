"""Writes the test vectors beside it and the table of messages in docs/protocol.md.

`python -m tests.vectors.generate`; with `--check` it only compares. The vectors are plain JSON, bytes as hex strings,
so that CPython, MicroPython and a third implementation decode the same files. docs/protocol.md explains what they hold.
"""

from __future__ import annotations

import json
import struct
import sys
from binascii import crc32
from pathlib import Path
from typing import Any

if __package__:
    sys.path[:0] = [str(Path(__file__).parents[2] / "firmware")]

from hublink import cobs, frame, messages, words
from hublink import hello as opening
from hublink.dictionary import DICTIONARY
from hublink.frame import FrameReader, FrameWriter
from hublink.link import BRIDGE, HUB, Link
from hublink.paths import Paths
from hublink.profile import UART, Profile

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PROTOCOL = ROOT / "docs" / "protocol.md"
TABLE_BEGIN = "<!-- dictionary: written by `python -m tests.vectors.generate` out of firmware/hublink/dictionary.py -->"
TABLE_END = "<!-- end of dictionary -->"
BOOT_ID = bytes.fromhex("0123456789abcdef")
JOB = bytes.fromhex("1122334455667788")
CREDIT = bytes((16, 4, 8, 8, 8, 8))


def encode(data: bytes) -> bytes:
    out = memoryview(bytearray(cobs.encoded_bytes_max(len(data))))
    return bytes(out[: cobs.encode_into(data, len(data), out, 0)])


def cobs_vectors() -> dict[str, Any]:
    counting = bytes(range(256))
    cases = {
        "nothing": b"",
        "one byte": b"a",
        "one zero": b"\0",
        "one sentinel": b"\x7e",
        "two sentinels": b"\x7e\x7e",
        "sentinel first": b"\x7ea",
        "sentinel last": b"a\x7e",
        "sentinel in the middle": b"ab\x7ecd",
        "a run whose code byte is a line feed": b"a" * 115 + b"\x7e",
        "253 bytes": b"a" * 253,
        "254 bytes: the longest block": b"a" * 254,
        "255 bytes: a block without a sentinel behind it": b"a" * 255,
        "254 bytes and a sentinel": b"a" * 254 + b"\x7e",
        "253 bytes and a sentinel": b"a" * 253 + b"\x7e",
        "all bytes": counting,
        "zeros": bytes(240),
        "15 sentinels": b"\x7e" * 15,
        "16 sentinels": b"\x7e" * 16,
        "17 sentinels": b"\x7e" * 17,
        "33 sentinels and a byte": b"\x7e" * 33 + b"a",
        "240 sentinels": b"\x7e" * 240,
        "508 bytes": b"ab" * 254,
    }
    return {
        "cases": [{"name": name, "data": data.hex(), "coded": encode(data).hex()} for name, data in cases.items()],
        "refused": [
            {"name": "a code that is the sentinel", "coded": "7e"},
            {"name": "a block of two bytes with one", "coded": "7d61"},
            {"name": "a block of 254 bytes with none", "coded": "81"},
            {"name": "a second block cut short", "coded": "7c61627c61"},
        ],
    }


def frame_vectors() -> dict[str, Any]:
    given: list[tuple[str, bool, int, int, int, int, int, bytes]] = [
        ("an acknowledgement of the hub", True, frame.ACK, 0, 77, 0, 5, b""),
        ("an acknowledgement of the bridge", False, frame.ACK, 0, 77, 0, 5, b""),
        ("a NAK", True, frame.NAK, 0, 77, 0, 9, b""),
        ("a PING with the sender's clock", False, frame.PING, 0, 77, 0, 9, struct.pack("<I", 123456)),
        (
            "a PONG: the clock asked with, the clock of who answers",
            True,
            frame.PONG,
            0,
            77,
            0,
            9,
            struct.pack("<II", 123456, 1000),
        ),
        ("a CLOSE", False, frame.CLOSE, 0, 77, 0, 0, b""),
        ("a scan", True, frame.DATA, 0x20, 77, 0, 0, messages.BY_NAME["scan"].pack((1, 0, 1, b"]E04006381333931"))),
        ("job data, a white raster", False, frame.DATA, 0x41, 77, 3, 1, bytes(240)),
        ("the longest job data, three blocks", False, frame.DATA, 0x41, 77, 4, 1, bytes(748)),
        ("job data, nothing but sentinels", False, frame.DATA, 0x41, 77, 4, 1, b"\x7e" * 240),
        ("job data whose code byte is a line feed", False, frame.DATA, 0x41, 77, 5, 1, b"a" * 107 + b"\x7e"),
        ("sentinels in the header", True, frame.DATA, 0x7E, 0x7E7E, 0x7E7E, 0x7E7E, b"\x7e"),
        ("numbers at their ends", False, frame.DATA, 0xFF, 0xFFFF, 0xFFFF, 0xFFFF, b""),
    ]
    frames = []
    for name, from_hub, kind, code, session, sequence, ack, payload in given:
        coded = FrameWriter(from_hub).frame(kind, code, session, sequence, ack, payload)
        raw = struct.pack("<BBHHH", 0x10 | from_hub << 3 | kind, code, session, sequence, ack) + payload
        frames.append(
            {
                "name": name,
                "from_hub": from_hub,
                "type": frame.TYPE_NAMES[kind],
                "message": code,
                "session": session,
                "sequence": sequence,
                "ack": ack,
                "payload": payload.hex(),
                "raw": (raw + struct.pack("<I", crc32(raw))).hex(),
                "coded": coded.hex(),
            }
        )
    return {"frames": frames, "streams": [stream(*one) for one in streams()]}


def streams() -> list[tuple[str, list[bytes]]]:
    """All as the bridge hears them: from the hub."""
    scan = FrameWriter(True).frame(frame.DATA, 0x20, 77, 0, 0, b"\1\0\0\0\0\0\0\0\0400")
    ack = FrameWriter(True).frame(frame.ACK, 0, 77, 0, 5, b"")
    feed = FrameWriter(True).frame(frame.DATA, 0x41, 77, 0, 0, b"a" * 107 + b"\x7e")
    echo = FrameWriter(False).frame(frame.ACK, 0, 77, 0, 5, b"")
    foreign_raw = struct.pack("<BBHHH", 0x28, 0, 0, 0, 0)
    foreign = b"\x7e" + encode(foreign_raw + struct.pack("<I", crc32(foreign_raw))) + b"\x7e"
    spoilt = bytearray(scan)
    spoilt[9] ^= 0x40
    traceback = b'Traceback (most recent call last):\r\n  File "main.py", line 7\r\nOSError: 28\r\n'
    return [
        ("two frames, each with its delimiters", [scan + ack]),
        ("two frames that share one delimiter", [scan + ack[1:]]),
        ("filling between frames", [b"\x7e" * 40 + scan + b"\x7e" * 64 + ack]),
        ("a frame in three pieces", [scan[:1], scan[1:7], scan[7:]]),
        ("cut behind a code byte that is a line feed", [feed[:2], feed[2:]]),
        ("a damaged frame between two whole ones", [ack + bytes(spoilt) + ack]),
        ("a frame whose end is missing", [scan[:12] + ack]),
        ("a frame that is too short", [b"\x7e" + encode(b"\x1b\0\0") + b"\x7e" + ack]),
        ("an endless segment", [bytes(range(1, 30)) * 20 + ack]),
        ("an echo of the bridge's own frame", [echo + ack]),
        ("a frame of framing version 2", [foreign + ack]),
        ("a traceback before a frame", [traceback + ack]),
        ("a traceback behind a frame", [ack, traceback]),
        ("the prompt of a REPL", [b"MicroPython v1.28.0\r\n>>> "]),
    ]


def stream(name: str, chunks: list[bytes]) -> dict[str, Any]:
    frames: list[Any] = []
    text = bytearray()
    errors: dict[str, int] = {}

    def on_frame(kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        frames.append([frame.TYPE_NAMES[kind], code, session, sequence, ack, bytes(payload).hex()])

    def count(error: str) -> None:
        errors[error] = errors.get(error, 0) + 1

    reader = FrameReader(True, on_frame, text.extend, count)
    for chunk in chunks:
        reader.feed(chunk, len(chunk))
    return {
        "name": name,
        "from_hub": True,
        "chunks": [chunk.hex() for chunk in chunks],
        "frames": frames,
        "text": text.hex(),
        "errors": errors,
    }


def message_vectors() -> dict[str, Any]:
    """A bytes value is a hex string, a number is a number."""
    values: dict[str, list[tuple[Any, ...]]] = {
        "credit": [(4, 12), (4, 0xFFFF)],
        "faults": [(b"",), (b"\x01\x07",)],
        "blame": [(b"printer_read: OSError: 28",)],
        "problems": [(b"",), (b"board.json: printer.tx: there is no pin 99",)],
        "errors": [(0,) * 9, (1, 2, 3, 4, 5, 6, 7, 8, 0xFFFF)],
        "kick": [(7, 1, 100, 0x3FFFFFFF)],
        "kick_done": [(7, 0)],
        "drawer": [(2,)],
        "scan": [(1, 0, 1, b"]E04006381333931"), (0xFFFFFFFF, 12, 4, b"x" * 231)],
        "scan_taken": [(1,)],
        "scanner_enable": [(0, 300_000), (1, 0)],
        "scanner": [(2, 1)],
        "shown": [(3, 1)],
        "show": [(b"\x28",)],
        "job_begin": [(JOB, 40_000, bytes.fromhex("1d28480600303037373838"))],
        "job_data": [(b"\x1b@Espresso\n",), (b"\x7e" * 240,)],
        "job_end": [(JOB,)],
        "job_forget": [(JOB,)],
        "job_status": [(JOB, 4, 0, 40_000, 40_000, bytes.fromhex("37223737383800")), (JOB, 5, 1, 480, 240, b"")],
        "printer_status": [(1, bytes.fromhex("14000000"))],
        "printer_query": [(bytes.fromhex("100401"),)],
        "prompt": [(b"flash",)],
        "printer_reply": [(bytes.fromhex("00"),)],
    }
    cases = []
    for code, name, layout, _ in DICTIONARY:
        for one in values[name]:
            shown = [value.hex() if isinstance(value, bytes) else value for value in one]
            payload = messages.BY_CODE[code].pack(one).hex()
            cases.append({"code": code, "name": name, "layout": layout, "values": shown, "payload": payload})
    return {
        "dictionary": messages.DICTIONARY_HASH,
        "cases": cases,
        "refused": [
            {"name": "a kick with a byte missing", "code": 0x10, "payload": "0700000001640000000"[:-1] + "00"},
            {"name": "a kick with a byte too many", "code": 0x10, "payload": "00" * 12},
            {"name": "a scan without its fixed part", "code": 0x20, "payload": "01000000"},
            {"name": "a job_end of seven bytes", "code": 0x42, "payload": "11" * 7},
        ],
    }


def said(**changes: Any) -> dict[str, Any]:
    return {
        "nonce": 1,
        "dictionary": 0xDEADBEEF,
        "hub_id": bytes.fromhex("e6614103e7452d2f"),
        "boot_id": BOOT_ID,
        "boots": 12,
        "reset_cause": 1,
        "flags": 0,
        "credit": CREDIT,
        "job": bytes(8),
        "job_phase": 0,
        "job_received_bytes": 0,
        "scan_oldest": 1,
        "scan_next": 1,
        "name": "till 1",
        "board": "pico",
        "firmware": "0.1.0",
        "crumb": "",
        "payload_bytes": 240,
    } | changes


def opening_vectors() -> dict[str, Any]:
    hellos = {
        "a hub that has just started": said(),
        "in the middle of a job, with scans in the ring": said(
            nonce=9, job=JOB, job_phase=1, job_received_bytes=4800, scan_oldest=5, scan_next=9, flags=0
        ),
        "in safe mode, with the crumb of its crash": said(flags=1, reset_cause=2, crumb="printer_write: OSError"),
        "a Chinese name": said(name="收银台 1"),
        "a hub that takes longer messages": said(payload_bytes=748),
        "a printer that still holds all it takes": said(credit=bytes((16, 4, 8, 8, 0, 8))),
    }
    whole = opening.pack_hello(said())
    return {
        "hellos": [
            {
                "name": name,
                "fields": {key: v.hex() if isinstance(v, bytes) else v for key, v in one.items()},
                "payload": opening.pack_hello(one).hex(),
            }
            for name, one in hellos.items()
        ],
        "opens": [
            {
                "name": "the answer to the first",
                "protocol": 1,
                "nonce": 1,
                "boot_id": BOOT_ID.hex(),
                "credit": CREDIT.hex(),
                "payload": opening.pack_open(1, BOOT_ID, CREDIT).hex(),
            }
        ],
        "foreign": [
            {"name": "a hub that speaks versions 2 to 5", "payload": "0205", "protocol_min": 2, "protocol_max": 5},
            {
                "name": "the same, and what version 2 adds",
                "payload": "0205ffff00",
                "protocol_min": 2,
                "protocol_max": 5,
            },
        ],
        "refused": [
            {"name": "nothing", "payload": ""},
            {"name": "a text that is cut", "payload": whole[:-1].hex()},
            {"name": "no texts", "payload": whole[:55].hex()},
        ],
        "offers": [
            {"name": name, "payload": (whole + tail).hex(), "payload_bytes": taken}
            for name, tail, taken in (
                ("none", b"", 240),
                ("one that is cut", b"\xee", 240),
                ("fewer than every receiver takes", b"\x10\x00", 240),
                ("longer messages, and what a later version adds", b"\xec\x02more", 748),
                ("more than a frame can hold", b"\xff\xff", 748),
            )
        ],
    }


def session_vectors() -> dict[str, Any]:
    """A whole session, frame by frame: opening, a scan that is lost and asked for again, a job, the end."""
    profile = Profile("uart", 240, UART.window, 500, 150, 2000, 500, 2000, bulk_window=UART.bulk_window)
    hub = Link(HUB, profile, hello=said)
    bridge = Link(BRIDGE, profile, session=77)
    hub.start(1000)
    bridge.start(900_000)
    frames: list[dict[str, Any]] = []

    def carry(at_ms: int, lost: int | None = None) -> None:
        """All that both have to say; of the hub's frames the one with that index is lost."""
        number = 0
        while True:
            for link, from_hub in ((hub, True), (bridge, False)):
                clock = at_ms + 1000 if from_hub else at_ms + 900_000
                coded = link.data_to_send(clock)
                if coded:
                    break
            else:
                return
            arrives = not (from_hub and number == lost)
            number += from_hub
            frames.append({"at_ms": at_ms, "from_hub": from_hub, "arrives": arrives, "coded": coded.hex()})
            if arrives:
                (bridge if from_hub else hub).receive(coded, at_ms + (900_000 if from_hub else 1000))
            for one in (hub, bridge):
                while one.next_event() is not None:
                    pass

    def say(at_ms: int, from_hub: bool, name: str, *values: Any) -> None:
        assert (hub if from_hub else bridge).send(name, *values)
        shown = [value.hex() if isinstance(value, bytes) else value for value in values]
        frames.append({"at_ms": at_ms, "from_hub": from_hub, "sends": name, "values": shown})

    carry(0)
    for sequence in (1, 2, 3):
        say(100, True, "scan", sequence, 0, 0, b"4006381333931")
    carry(100, lost=0)
    say(200, False, "job_begin", JOB, 300, b"")
    say(200, False, "job_data", b"\x1b@" + b"Espresso 2.40\n" * 17)
    say(200, False, "job_data", bytes(60))
    say(200, False, "job_end", JOB)
    say(200, False, "scan_taken", 3)
    carry(200)
    bridge.close(900_300)
    frames.append({"at_ms": 300, "from_hub": False, "closes": True})
    carry(300)
    return {
        "hub_clock_at_0_ms": 1000,
        "bridge_clock_at_0_ms": 900_000,
        "session": 77,
        "profile": {
            "window": profile.window,
            "bulk_window": profile.bulk_window,
            "ack_delay_ms": profile.ack_delay_ms,
        },
        "hello": {key: value.hex() if isinstance(value, bytes) else value for key, value in said().items()},
        "happens": frames,
    }


def standby_vectors() -> dict[str, Any]:
    """A backup path on standby, and how it takes over when the primary is gone: frames of path 0 and of path 1."""
    profile = Profile("uart", 240, UART.window, 500, 150, 2000, 500, 2000, bulk_window=UART.bulk_window)
    hubs = [Link(HUB, profile, hello=said) for _ in range(2)]
    paths = Paths(hubs)
    bridges = [Link(BRIDGE, profile, session=session) for session in (77, 78)]
    steps: list[dict[str, Any]] = []
    for number in range(2):
        hubs[number].start(1000)
        bridges[number].start(900_000)

    def settle(at_ms: int) -> None:
        while paths.next_event(at_ms + 1000) is not None:
            pass
        for bridge in bridges:
            while bridge.next_event() is not None:
                pass

    def carry(at_ms: int, number: int, arrives: bool = True) -> None:
        """All that both ends of that path have to say."""
        while True:
            for link, from_hub in ((hubs[number], True), (bridges[number], False)):
                coded = link.data_to_send(at_ms + (1000 if from_hub else 900_000))
                if coded:
                    break
            else:
                return
            step = {"at_ms": at_ms, "path": number, "from_hub": from_hub, "arrives": arrives, "coded": coded.hex()}
            steps.append(step)
            if arrives:
                (bridges if from_hub else hubs)[number].receive(coded, at_ms + (900_000 if from_hub else 1000))
            settle(at_ms)

    def stand_by(at_ms: int, number: int, standby: bool) -> None:
        bridges[number].stand_by(standby, at_ms + 900_000)
        steps.append({"at_ms": at_ms, "path": number, "stands_by": standby})

    stand_by(0, 1, True)
    carry(0, 0)
    carry(0, 1)
    carry(500, 1)
    stand_by(600, 1, False)
    carry(600, 1)
    carry(600, 0, arrives=False)
    return {
        "hub_clock_at_0_ms": 1000,
        "bridge_clock_at_0_ms": 900_000,
        "sessions": [77, 78],
        "profile": {
            "window": profile.window,
            "bulk_window": profile.bulk_window,
            "ack_delay_ms": profile.ack_delay_ms,
        },
        "hello": {key: value.hex() if isinstance(value, bytes) else value for key, value in said().items()},
        "happens": steps,
    }


FILES = {
    "cobs.json": cobs_vectors,
    "frames.json": frame_vectors,
    "messages.json": message_vectors,
    "opening.json": opening_vectors,
    "session.json": session_vectors,
    "standby.json": standby_vectors,
}


def dictionary_table() -> str:
    """The message dictionary as a table, with what dictionary.py says about each message in its comment."""
    source = (ROOT / "firmware" / "hublink" / "dictionary.py").read_text(encoding="utf-8")
    rows = [
        "| code | message | channel | layout | fields | said by: |",
        "|---|---|---|---|---|---|",
    ]
    for code, name, layout, fields in DICTIONARY:
        line = next(line for line in source.splitlines() if f'(0x{code:02X}, "{name}"' in line)
        comment = line.partition("  # ")[2].replace("|", "\\|")
        channel = words.CHANNEL_NAMES[code >> 4]
        shown = ", ".join(fields.split())
        rows.append(f"| 0x{code:02X} | `{name}` | {channel} | `{layout}` | {shown} | {comment} |")
    tables = (
        ("kick outcomes", words.KICK_OUTCOMES),
        ("drawer states", words.DRAWER_STATES),
        ("scanner states", words.SCANNER_STATES),
        ("patterns", words.PATTERNS),
        ("job phases", words.JOB_PHASES),
        ("abort reasons", words.ABORT_REASONS),
        ("printer conditions", words.PRINTER_CONDITIONS),
    )
    rows.append("")
    for title, names in tables:
        numbered = ", ".join(f"{number} {name or 'none'}" for number, name in enumerate(names))
        rows.append(f"- {title}: {numbered}")
    rows.append("- scan flags: bit 0 an AIM identifier leads, bit 1 the same as just before, bit 2 more parts follow")
    rows.append(f"- hash of this dictionary: 0x{messages.DICTIONARY_HASH:08X}")
    return "\n".join(rows) + "\n"


def protocol_text() -> str:
    """docs/protocol.md with its table of messages as it must be."""
    text = PROTOCOL.read_text(encoding="utf-8")
    before, begin, rest = text.partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not begin or not end:
        raise SystemExit(f"{PROTOCOL.name} has lost the marks between which its table of messages stands")
    return f"{before}{begin}\n\n{dictionary_table()}\n{end}{after}"


def text_of(name: str) -> str:
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    stale = [name for name in FILES if not _is_current(name)]
    if PROTOCOL.read_text(encoding="utf-8") != protocol_text():
        stale.append(PROTOCOL.name)
    if "--check" in sys.argv:
        print("\n".join(f"{name} is not what this script makes: run it without --check" for name in stale) or "current")
        return 1 if stale else 0
    for name in FILES:
        (FOLDER / name).write_text(text_of(name), encoding="utf-8")
    PROTOCOL.write_text(protocol_text(), encoding="utf-8")
    print(f"{len(FILES) + 1} files, {len(stale)} of them changed")
    return 0


def _is_current(name: str) -> bool:
    path = FOLDER / name
    return path.exists() and path.read_text(encoding="utf-8") == text_of(name)


if __name__ == "__main__":
    raise SystemExit(main())
