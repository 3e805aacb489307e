"""One protocol, two interpreters: the pure modules of hublink give the same results on CPython and on MicroPython."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from host_bridge.virtual.flash import lay_firmware
from hublink import frame, messages
from hublink.dictionary import DICTIONARY
from tests.micropython import decode_vectors, exercise
from tests.micropython.vm import FIRMWARE, run_chip, run_with_hublink

SEED = 20260101
VECTORS = FIRMWARE.parent / "tests" / "vectors"
RUN_CASES = """
import exercise, json
with open("cases.json") as file:
    cases = json.load(file)
for result in exercise.run(cases):
    print(json.dumps(result))
"""
RUN_VECTORS = """
import decode_vectors, json
print(json.dumps(decode_vectors.differences(decode_vectors.load_here)))
"""
SENTINELS = bytes([0x7E, 0x7E, 0x7E, 0x00, 0x01, 0x1F, 0x0A, 0x20, 0xFF, 0x41])


def some_bytes(rng: random.Random, limit: int) -> str:
    """Anything, rows of one byte, or bytes that mean something to the framing."""
    length = rng.choice([0, 1, 2, rng.randrange(limit + 1), limit])
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randbytes(length).hex()
    if kind == 1:
        return (bytes([rng.choice(SENTINELS)]) * length).hex()
    return bytes(rng.choice(SENTINELS) for _ in range(length)).hex()


def coding_cases(rng: random.Random) -> list[list[Any]]:
    cases: list[list[Any]] = [["cobs_there_and_back", some_bytes(rng, 600)] for _ in range(150)]
    cases += [["cobs_decode", some_bytes(rng, 300)] for _ in range(150)]
    cases += [["cobs_there_and_back", "7e" * count] for count in (*range(20), 253, 254, 255, 508)]
    cases += [["cobs_there_and_back", "00" * count] for count in (253, 254, 255, 507, 508, 509)]
    return cases


def frame_cases(rng: random.Random) -> list[list[Any]]:
    cases: list[list[Any]] = []
    for _ in range(60):
        from_hub = rng.random() < 0.5
        stream = b""
        for _ in range(rng.randrange(1, 6)):
            fields = (rng.randrange(8), rng.randrange(256), *(rng.randrange(1 << 16) for _ in range(3)))
            payload = some_bytes(rng, frame.PAYLOAD_BYTES_MAX)
            cases.append(["write_frame", from_hub, *fields, payload])
            coded = bytearray.fromhex(exercise.run([cases[-1]])[0])
            if rng.random() < 0.3:
                coded[rng.randrange(len(coded))] ^= 1 << rng.randrange(8)
            stream += rng.choice([b"", b"~~", b"Traceback (most recent call last):\r\n", b">>> "]) + coded
        cuts = sorted(rng.randrange(len(stream) + 1) for _ in range(3))
        chunks = [stream[low:high].hex() for low, high in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        cases.append(["read_stream", from_hub, chunks])
    cases += [["read_stream", True, [some_bytes(rng, 3000)]] for _ in range(60)]
    return cases


def message_cases(rng: random.Random) -> list[list[Any]]:
    cases: list[list[Any]] = [["dictionary_hash"]]
    for code, name, layout, _ in DICTIONARY:
        for _ in range(10):
            payload = rng.randbytes(rng.randrange(30))
            cases.append(["unpack_message", code, payload.hex()])
            size = messages.struct.calcsize(layout.rstrip("*") or "<") + (rng.randrange(9) if "*" in layout else 0)
            whole = ["unpack_message", code, rng.randbytes(size).hex()]
            cases += [whole, ["pack_message", name, exercise.run([whole])[0]]]
    return cases


def opening_cases(rng: random.Random) -> list[list[Any]]:
    cases: list[list[Any]] = []
    texts = ["", "till 1", "收银台 1", "x" * 60, "é" * 39, "收" * 20]
    for _ in range(60):
        fields: dict[str, Any] = dict(exercise._hello())
        fields |= {key: rng.choice(texts) for key in ("name", "board", "firmware", "crumb")}
        fields |= {"boots": rng.randrange(1 << 17), "job_received_bytes": rng.randrange(1 << 32)}
        fields |= {"nonce": rng.randrange(1 << 16), "dictionary": rng.randrange(1 << 32), "credit": rng.randbytes(6)}
        plain = [[key, exercise._to_json(value)] for key, value in fields.items()]
        cases.append(["pack_hello", plain])
        packed = bytearray.fromhex(exercise.run([cases[-1]])[0])
        cases.append(["unpack_hello", packed.hex()])
        cases.append(["unpack_hello", packed[: rng.randrange(len(packed))].hex()])
        cases.append(["unpack_open", rng.randbytes(rng.choice([0, 1, 17, 17, 30])).hex()])
        cases.append(["unpack_open", "01" + rng.randbytes(16).hex()])
    return cases


def table_cases(rng: random.Random) -> list[list[Any]]:
    cases: list[list[Any]] = [["light_steps", pattern, fault] for pattern in range(8) for fault in range(70)]
    cases += [["worst_fault", [rng.randrange(80) for _ in range(rng.randrange(6))]] for _ in range(100)]
    return cases


def dialogue_cases(rng: random.Random) -> list[list[Any]]:
    """Whole conversations over a bad wire, with the windows of UART and USB."""
    profiles = [[240, 8, 500, 150, 2000, 500, 2000, 100, 3], [240, 8, 500, 150, 2000, 500, 2000]]
    return [["dialogue", rng.randrange(1 << 32), rng.choice(profiles), 500] for _ in range(6)]


@pytest.mark.parametrize(
    "make",
    [coding_cases, frame_cases, message_cases, opening_cases, table_cases, dialogue_cases],
    ids=lambda make: make.__name__,
)
def test_both_interpreters_agree_byte_for_byte(tmp_path: Path, make: Any) -> None:
    cases = make(random.Random(SEED))
    here = json.loads(json.dumps(exercise.run(cases)))
    there = run_with_hublink(tmp_path / "vm", "exercise", {"cases.json": cases}, RUN_CASES)
    assert len(there) == len(here) == len(cases)
    for case, expected, found in zip(cases, here, there, strict=True):
        assert found == expected, case


def test_the_committed_vectors_are_read_and_written_by_both_interpreters(tmp_path: Path) -> None:
    vectors = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in VECTORS.glob("*.json")}
    here, count = decode_vectors.differences(lambda name: vectors[name])
    assert here == []
    assert count > 100
    assert run_with_hublink(tmp_path / "vm", "decode_vectors", vectors, RUN_VECTORS) == [[[], count]]


def test_a_dialogue_goes_through_every_repair() -> None:
    """The conversations that are compared lose, repeat and damage frames, and still deliver."""
    logs = exercise.run(dialogue_cases(random.Random(SEED)))
    for name in ("retransmitted", "repeated", "gaps", "error_checksum"):
        assert any(dict(statistics).get(name) for log in logs for statistics in log[-2:]), name
    assert any(entry[1:2] == ["scan"] for log in logs for entry in log)


def test_every_module_of_the_firmware_is_understood_by_micropython(tmp_path: Path) -> None:
    """Each imports on a chip with nothing started."""
    flash = tmp_path / "flash"
    lay_firmware(FIRMWARE, flash, {"name": "virtual", "link": {"transport": "uart"}})
    modules = sorted(
        ".".join(path.relative_to(FIRMWARE).with_suffix("").parts).removesuffix(".__init__")
        for path in (*FIRMWARE.glob("hub/**/*.py"), *FIRMWARE.glob("hublink/**/*.py"))
    )
    assert len(modules) > 15
    (flash / "boot.py").unlink()
    (flash / "rp2.py").write_text("class DMA:\n    pass\n")  # what one port alone has
    (flash / "main.py").write_text(
        "import sys\n"
        f"for name in {modules!r}:\n"
        "    try:\n        __import__(name)\n        print('imported', name)\n"
        "    except Exception as error:\n        print('failed', name)\n        sys.print_exception(error)\n"
        "print('<done>')\n"
    )
    said = run_chip(flash, until="<done>")
    assert [name for name in modules if f"imported {name}\r\n" not in said] == [], said
