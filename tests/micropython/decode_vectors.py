"""Holds hublink against the committed vectors (tests/vectors). The same file runs on CPython and on MicroPython."""

import json

from hublink import cobs, frame, hello, messages
from hublink.link import BRIDGE, HUB, Link
from hublink.paths import Paths
from hublink.profile import Profile


def differences(load):
    """What is not as the vectors say, in words, and how many were looked at. `load(name)`: a file's contents."""
    found = []
    count = 0
    for check in (_cobs, _frames, _streams, _messages, _opening, _session, _standby):
        for name, expected, seen in check(load):
            count += 1
            if seen != expected:
                found.append(f"{name}: expected {expected!r}, got {seen!r}")
    return found, count


def _cobs(load):
    vectors = load("cobs.json")
    for case in vectors["cases"]:
        data = bytes.fromhex(case["data"])
        out = bytearray(cobs.encoded_bytes_max(len(data)))
        end = cobs.encode_into(data, len(data), memoryview(out), 0)
        yield case["name"], case["coded"], _hex(out[:end])
        yield case["name"], case["data"], _decoded(case["coded"])
    for case in vectors["refused"]:
        yield case["name"], None, _decoded(case["coded"])


def _decoded(coded):
    coded = bytes.fromhex(coded)
    out = bytearray(1024)
    length = cobs.decode_into(memoryview(coded), len(coded), memoryview(out))
    return None if length < 0 else _hex(out[:length])


def _frames(load):
    for case in load("frames.json")["frames"]:
        kind = frame.TYPE_NAMES.index(case["type"])
        fields = [case[key] for key in ("message", "session", "sequence", "ack")]
        coded = frame.FrameWriter(case["from_hub"]).frame(kind, *(fields + [bytes.fromhex(case["payload"])]))
        yield case["name"], case["coded"], _hex(coded)


def _streams(load):
    for case in load("frames.json")["streams"]:
        seen = _Seen()
        reader = frame.FrameReader(case["from_hub"], seen.on_frame, seen.text.extend, seen.count)
        for chunk in case["chunks"]:
            chunk = bytes.fromhex(chunk)
            reader.feed(chunk, len(chunk))
        yield case["name"], [case["frames"], case["errors"], case["text"]], [seen.frames, seen.errors, _hex(seen.text)]


class _Seen:
    """What a FrameReader hands on."""

    def __init__(self):
        self.frames = []
        self.errors = {}
        self.text = bytearray()

    def on_frame(self, kind, message, session, sequence, ack, payload):
        self.frames.append([frame.TYPE_NAMES[kind], message, session, sequence, ack, _hex(payload)])

    def count(self, name):
        self.errors[name] = self.errors.get(name, 0) + 1


def _messages(load):
    vectors = load("messages.json")
    yield "dictionary", vectors["dictionary"], messages.DICTIONARY_HASH
    for case in vectors["cases"]:
        message = messages.BY_CODE[case["code"]]
        values = message.unpack(bytes.fromhex(case["payload"]))
        yield case["name"], case["values"], [_shown(value) for value in values]
        yield case["name"], case["payload"], _hex(message.pack(values))
    for case in vectors["refused"]:
        yield case["name"], None, messages.BY_CODE[case["code"]].unpack(bytes.fromhex(case["payload"]))


def _opening(load):
    vectors = load("opening.json")
    for case in vectors["hellos"]:
        heard = hello.unpack_hello(bytes.fromhex(case["payload"]))
        yield case["name"], case["payload"], _hex(hello.pack_hello(heard))
        shown = {key: _shown(value) for key, value in heard.items() if not key.startswith("protocol_")}
        yield case["name"], case["fields"], shown
    for case in vectors["opens"]:
        packed = hello.pack_open(case["nonce"], bytes.fromhex(case["boot_id"]), bytes.fromhex(case["credit"]))
        yield case["name"], case["payload"], _hex(packed)
    for case in vectors["foreign"]:
        expected = {key: case[key] for key in ("protocol_min", "protocol_max")}
        yield case["name"], expected, hello.unpack_hello(bytes.fromhex(case["payload"]))
    for case in vectors["refused"]:
        yield case["name"], None, hello.unpack_hello(bytes.fromhex(case["payload"]))
    for case in vectors["offers"]:
        yield case["name"], case["payload_bytes"], hello.unpack_hello(bytes.fromhex(case["payload"]))["payload_bytes"]


def _session(load):
    """Each side alone, with the other's frames out of the file."""
    vectors = load("session.json")
    fields = dict(vectors["hello"])
    for key in ("hub_id", "boot_id", "credit", "job"):
        fields[key] = bytes.fromhex(fields[key])
    for from_hub in (True, False):
        windows = {key: vectors["profile"][key] for key in ("window", "bulk_window")}
        profile = Profile(
            "uart", 240, rto_first_ms=500, rto_min_ms=150, rto_max_ms=2000, ping_ms=500, down_ms=2000, **windows
        )
        profile.ack_delay_ms = vectors["profile"]["ack_delay_ms"]
        role = HUB if from_hub else BRIDGE
        link = Link(role, profile, hello=lambda: dict(fields), session=vectors["session"])
        clock_at_0 = vectors["hub_clock_at_0_ms" if from_hub else "bridge_clock_at_0_ms"]
        link.start(clock_at_0)
        for step in vectors["happens"]:
            now = clock_at_0 + step["at_ms"]
            mine = step["from_hub"] == from_hub
            if "coded" in step and mine:
                yield f"{role} at {step['at_ms']} ms", step["coded"], _hex(link.data_to_send(now))
            elif "coded" in step and step["arrives"]:
                link.receive(bytes.fromhex(step["coded"]), now)
            elif "sends" in step and mine:
                values = [bytes.fromhex(value) if isinstance(value, str) else value for value in step["values"]]
                yield f"{role} sends", True, link.send(step["sends"], *values)
            elif "closes" in step and mine:
                link.close(now)
            while link.next_event() is not None:
                pass


def _standby(load):
    """Two paths, seen from either side."""
    vectors = load("standby.json")
    fields = dict(vectors["hello"])
    for key in ("hub_id", "boot_id", "credit", "job"):
        fields[key] = bytes.fromhex(fields[key])
    windows = {key: vectors["profile"][key] for key in ("window", "bulk_window")}
    profile = Profile(
        "uart", 240, rto_first_ms=500, rto_min_ms=150, rto_max_ms=2000, ping_ms=500, down_ms=2000, **windows
    )
    profile.ack_delay_ms = vectors["profile"]["ack_delay_ms"]
    for from_hub in (True, False):
        role = HUB if from_hub else BRIDGE
        links = [Link(role, profile, hello=lambda: dict(fields), session=session) for session in vectors["sessions"]]
        paths = Paths(links) if from_hub else None
        clock_at_0 = vectors["hub_clock_at_0_ms" if from_hub else "bridge_clock_at_0_ms"]
        for link in links:
            link.start(clock_at_0)
        for step in vectors["happens"]:
            now = clock_at_0 + step["at_ms"]
            link = links[step["path"]]
            if "stands_by" in step:
                if not from_hub:
                    link.stand_by(step["stands_by"], now)
            elif step["from_hub"] == from_hub:
                name = f"{role} at {step['at_ms']} ms on path {step['path']}"
                yield name, step["coded"], _hex(link.data_to_send(now))
            elif step["arrives"]:
                link.receive(bytes.fromhex(step["coded"]), now)
            while paths and paths.next_event(now) is not None:
                pass
            while link.next_event() is not None:
                pass


def _hex(data):
    return bytes(data).hex() if len(data) else ""  # MicroPython makes b"" of nothing


def _shown(value):
    return _hex(value) if isinstance(value, bytes) else value


def load_here(name):
    with open(name) as file:
        return json.load(file)
