"""What the pure modules of hublink make of given inputs. The same file runs on CPython and on MicroPython.

A case is `[name of a function below, arguments …]`; bytes are hexadecimal text, in results too.
"""

from hublink import cobs, faults, frame, hello, light, messages
from hublink.link import BRIDGE, HUB, Link
from hublink.profile import Profile

_SLOW_WIRE_MS = 7


def run(cases):
    return [globals()[case[0]](*case[1:]) for case in cases]


def cobs_there_and_back(data):
    data = bytes.fromhex(data)
    out = bytearray(cobs.encoded_bytes_max(len(data)))
    end = cobs.encode_into(data, len(data), memoryview(out), 0)
    back = bytearray(len(data))
    length = cobs.decode_into(memoryview(out), end, memoryview(back))
    return [out[:end].hex(), length, back.hex()]


def cobs_decode(coded):
    coded = bytes.fromhex(coded)
    out = bytearray(frame.RAW_BYTES_MAX)
    length = cobs.decode_into(memoryview(coded), len(coded), memoryview(out))
    return [length, out[: max(0, length)].hex()]


def write_frame(from_hub, kind, message, session, sequence, ack, payload):
    return frame.FrameWriter(from_hub).frame(kind, message, session, sequence, ack, bytes.fromhex(payload)).hex()


def read_stream(from_hub, chunks):
    seen = []

    def on_frame(kind, message, session, sequence, ack, payload):
        seen.append(["frame", kind, message, session, sequence, ack, bytes(payload).hex()])

    reader = frame.FrameReader(
        from_hub, on_frame, lambda text: seen.append(["text", text.hex()]), lambda name: seen.append(["count", name])
    )
    for chunk in chunks:
        chunk = bytes.fromhex(chunk)
        reader.feed(chunk, len(chunk))
    return seen


def pack_message(name, values):
    return messages.BY_NAME[name].pack([_from_json(value) for value in values]).hex()


def unpack_message(code, payload):
    message = messages.BY_CODE.get(code)
    values = message.unpack(bytes.fromhex(payload)) if message else None
    return None if values is None else [_to_json(value) for value in values]


def pack_hello(fields):
    return hello.pack_hello({key: _from_json(value) for key, value in fields}).hex()


def unpack_hello(payload):
    fields = hello.unpack_hello(bytes.fromhex(payload))
    return None if fields is None else sorted([key, _to_json(value)] for key, value in fields.items())


def unpack_open(payload):
    fields = hello.unpack_open(bytes.fromhex(payload))
    return None if fields is None else [_to_json(value) for value in fields]


def worst_fault(numbers):
    return faults.worst(numbers)


def light_steps(pattern, fault):
    return [list(step) for step in light.steps(pattern, fault)]


def dictionary_hash():
    return messages.DICTIONARY_HASH


def dialogue(seed, profile, steps):
    """Two links over a wire that loses, repeats and damages: everything they send and say, in order."""
    return Dialogue(seed, Profile("test", *profile)).run(steps)


class Dialogue:
    def __init__(self, seed, profile):
        self._seed = seed
        hub = Link(HUB, profile, hello=_hello)
        bridge = Link(BRIDGE, profile, session=4711)
        self._links = [hub, bridge]
        self._wire = []  # [due, receiver, bytes]
        self._log = []
        self._sent = 0

    def run(self, steps):
        now = (1 << 30) - 500  # the clock wraps on the way
        for link in self._links:
            link.start(now)
        for _ in range(steps):
            now = (now + 1 + self._random(20)) & 0x3FFFFFFF
            self._say_something()
            for index in (0, 1):
                self._step(index, now)
        for link in self._links:
            self._log.append(sorted([name, count] for name, count in link.statistics.items()))
        return self._log

    def _step(self, index, now):
        link = self._links[index]
        due = [entry for entry in self._wire if entry[1] == index and (now - entry[0]) & 0x3FFFFFFF < 0x20000000]
        for entry in due:
            self._wire.remove(entry)
            link.receive(entry[2], now)
        if link.next_timer(now) == 0:
            link.handle_timer(now)
        self._note_events(index, link)
        while True:
            coded = link.data_to_send(now)
            if not coded:
                return
            self._log.append([index, bytes(coded).hex()])
            self._send(1 - index, bytes(coded), now)

    def _note_events(self, index, link):
        while True:
            event = link.next_event()
            if event is None:
                return
            if event[0] == "message":
                self._log.append([index, event[1], [_to_json(value) for value in event[2]]])
            else:
                self._log.append([index, event[0]])

    def _say_something(self):
        what = self._random(6)
        self._sent += 1
        if what == 0:
            self._links[0].send("scan", self._sent, self._random(50), 1, b"]E04006381333931"[: self._random(17)])
        elif what == 1:
            self._links[1].send("job_data", bytes((self._random(256),)) * self._random(241))
        elif what == 2:
            self._links[1].send("kick", self._sent, 1, 120, self._random(1 << 30))

    def _send(self, receiver, data, now):
        fate = self._random(20)
        due = (now + _SLOW_WIRE_MS) & 0x3FFFFFFF
        if fate == 0:
            return  # lost
        if fate == 1:
            damaged = bytearray(data)
            damaged[self._random(len(data))] ^= 1 << self._random(8)
            data = bytes(damaged)
        self._wire.append([due, receiver, data])
        if fate == 2:
            self._wire.append([due, receiver, data])

    def _random(self, below):
        """The same numbers on both interpreters (ranqd1 of Numerical Recipes)."""
        self._seed = (self._seed * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._seed >> 8) % below


def _hello():
    return {
        "hub_id": b"hub-0001",
        "boot_id": b"boot-one",
        "boots": 3,
        "reset_cause": 1,
        "flags": 0,
        "job": b"\0" * 8,
        "job_phase": 0,
        "job_received_bytes": 0,
        "scan_oldest": 1,
        "scan_next": 1,
        "name": "收银台 1",
        "board": "virtual",
        "firmware": "0.1.0",
        "crumb": "hang:drawer:pulse:3s",
    }


def _to_json(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["bytes", bytes(value).hex()]
    return value


def _from_json(value):
    if isinstance(value, (list, tuple)):
        return bytes.fromhex(value[1])
    return value
