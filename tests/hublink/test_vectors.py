"""The committed test vectors: current, decoded by this implementation, and right by one that shares no code with it."""

from __future__ import annotations

import json
import re
import struct
import zlib
from typing import Any

import pytest

from hublink import cobs, frame, messages
from hublink import hello as opening
from hublink.frame import FrameReader, FrameWriter
from hublink.link import BRIDGE, HUB, Link
from hublink.profile import Profile
from tests.hublink.test_cobs import decode, encode, encode_plainly
from tests.vectors import generate


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((generate.FOLDER / name).read_text(encoding="utf-8")))


def named(name: str, key: str) -> Any:
    return pytest.mark.parametrize("case", load(name)[key], ids=lambda case: case["name"].replace(" ", "_"))


@pytest.mark.parametrize("name", list(generate.FILES))
def test_the_files_are_what_the_script_makes(name: str) -> None:
    assert (generate.FOLDER / name).read_text(encoding="utf-8") == generate.text_of(name)


@named("cobs.json", "cases")
def test_cobs(case: dict[str, str]) -> None:
    data, coded = bytes.fromhex(case["data"]), bytes.fromhex(case["coded"])
    assert encode(data) == encode_plainly(data) == coded
    assert decode(coded) == data


@named("cobs.json", "refused")
def test_cobs_refused(case: dict[str, str]) -> None:
    coded = bytes.fromhex(case["coded"])
    assert cobs.decode_into(memoryview(coded), len(coded), memoryview(bytearray(600))) == -1


@named("frames.json", "frames")
def test_frames(case: dict[str, Any]) -> None:
    kind = frame.TYPE_NAMES.index(case["type"])
    payload, raw, coded = (bytes.fromhex(case[key]) for key in ("payload", "raw", "coded"))
    fields = [case[key] for key in ("message", "session", "sequence", "ack")]
    message, session, sequence, ack = fields
    assert FrameWriter(case["from_hub"]).frame(kind, message, session, sequence, ack, payload) == coded
    # By hand, after docs/protocol.md:
    plain = struct.pack("<BBHHH", 0x10 | case["from_hub"] << 3 | kind, *fields) + payload
    plain += struct.pack("<I", zlib.crc32(plain))
    assert plain == raw
    assert b"\x7e" + encode_plainly(plain) + b"\x7e" == coded


@named("frames.json", "streams")
def test_streams(case: dict[str, Any]) -> None:
    frames: list[Any] = []
    errors: list[str] = []
    text = bytearray()

    def on_frame(kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        frames.append([frame.TYPE_NAMES[kind], code, session, sequence, ack, bytes(payload).hex()])

    reader = FrameReader(case["from_hub"], on_frame, text.extend, errors.append)
    for chunk in map(bytes.fromhex, case["chunks"]):
        reader.feed(chunk, len(chunk))
    assert frames == case["frames"]
    assert {error: errors.count(error) for error in errors} == case["errors"]
    assert text.hex() == case["text"]


def test_every_kind_of_stream_error_has_a_vector() -> None:
    seen = {error for case in load("frames.json")["streams"] for error in case["errors"]}
    assert seen == {"error_length", "error_checksum", "error_echo", "error_version"}


def test_messages() -> None:
    vectors = load("messages.json")
    assert vectors["dictionary"] == messages.DICTIONARY_HASH
    assert {case["name"] for case in vectors["cases"]} == set(messages.BY_NAME)
    for case in vectors["cases"]:
        message = messages.BY_CODE[case["code"]]
        payload = bytes.fromhex(case["payload"])
        values = message.unpack(payload)
        assert values is not None
        assert message.name == case["name"]
        assert [value.hex() if isinstance(value, bytes) else value for value in values] == case["values"]
        assert message.pack(values) == payload


@named("messages.json", "refused")
def test_messages_refused(case: dict[str, Any]) -> None:
    assert messages.BY_CODE[case["code"]].unpack(bytes.fromhex(case["payload"])) is None


@named("opening.json", "hellos")
def test_hellos(case: dict[str, Any]) -> None:
    heard = opening.unpack_hello(bytes.fromhex(case["payload"]))
    assert heard is not None
    assert opening.pack_hello(heard).hex() == case["payload"]
    shown = {key: value.hex() if isinstance(value, bytes) else value for key, value in heard.items()}
    assert shown == case["fields"] | {"protocol_min": 1, "protocol_max": 1}


@named("opening.json", "opens")
def test_opens(case: dict[str, Any]) -> None:
    boot_id, credit = bytes.fromhex(case["boot_id"]), bytes.fromhex(case["credit"])
    payload = bytes.fromhex(case["payload"])
    assert opening.pack_open(case["nonce"], boot_id, credit) == payload
    assert opening.unpack_open(payload) == (case["protocol"], case["nonce"], boot_id, credit)


@named("opening.json", "foreign")
def test_foreign_hellos(case: dict[str, Any]) -> None:
    heard = opening.unpack_hello(bytes.fromhex(case["payload"]))
    assert heard == {"protocol_min": case["protocol_min"], "protocol_max": case["protocol_max"]}


@named("opening.json", "refused")
def test_hellos_refused(case: dict[str, str]) -> None:
    assert opening.unpack_hello(bytes.fromhex(case["payload"])) is None


@named("opening.json", "offers")
def test_hellos_offers(case: dict[str, Any]) -> None:
    heard = opening.unpack_hello(bytes.fromhex(case["payload"]))
    assert heard is not None and heard["payload_bytes"] == case["payload_bytes"]


@pytest.mark.parametrize("from_hub", [True, False], ids=["hub", "bridge"])
def test_a_whole_session_says_exactly_these_bytes(from_hub: bool) -> None:
    """Each side alone, with the other's frames out of the file."""
    vectors = load("session.json")
    hello = dict(vectors["hello"])
    for key in ("hub_id", "boot_id", "credit", "job"):
        hello[key] = bytes.fromhex(hello[key])
    windows = {key: vectors["profile"][key] for key in ("window", "bulk_window")}
    profile = Profile(
        "uart", 240, rto_first_ms=500, rto_min_ms=150, rto_max_ms=2000, ping_ms=500, down_ms=2000, **windows
    )
    profile.ack_delay_ms = vectors["profile"]["ack_delay_ms"]
    link = Link(HUB if from_hub else BRIDGE, profile, hello=lambda: dict(hello), session=vectors["session"])
    clock_at_0 = vectors["hub_clock_at_0_ms" if from_hub else "bridge_clock_at_0_ms"]
    link.start(clock_at_0)
    heard = 0
    for step in vectors["happens"]:
        now = clock_at_0 + step["at_ms"]
        if "coded" in step and step["from_hub"] == from_hub:
            assert link.data_to_send(now).hex() == step["coded"]
        elif "coded" in step and step["arrives"]:
            link.receive(bytes.fromhex(step["coded"]), now)
        elif "sends" in step and step["from_hub"] == from_hub:
            values = [bytes.fromhex(value) if isinstance(value, str) else value for value in step["values"]]
            assert link.send(step["sends"], *values)
        elif "closes" in step and step["from_hub"] == from_hub:
            link.close(now)
        while (event := link.next_event()) is not None:
            heard += event[0] == "message"
    assert heard == (5 if from_hub else 3)


def test_the_table_of_messages_in_the_protocols_page_is_current() -> None:
    assert generate.PROTOCOL.read_text(encoding="utf-8") == generate.protocol_text()


def test_the_protocols_page_names_every_error_that_is_counted() -> None:
    page = generate.PROTOCOL.read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (generate.ROOT / "firmware" / "hublink").glob("*.py"))
    counted = set(re.findall(r'_count\("(\w+)"', source)) | set(re.findall(r'"(error_\w+)"', source))
    assert len(counted) > 8
    assert {name for name in counted if f"`{name}`" not in page} == set()


def test_the_links_of_the_protocols_page_lead_somewhere() -> None:
    docs = generate.PROTOCOL.parent
    for page in (generate.PROTOCOL, *sorted((docs / "decisions").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} leads to {target}"
