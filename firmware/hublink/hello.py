"""HELLO and OPEN: how a session begins.

HELLO starts with the range of protocol versions, OPEN with the one chosen, in all versions to come; what follows
belongs to that version.
"""

import struct

from hublink.frame import PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1

# protocol range, nonce, dictionary, hub id, boot id, boots, reset cause, flags, channel credit,
# printer cursor (job, phase, received), scanner cursor (oldest not taken, next)
_HELLO = "<BBHI8s8sHBB6s8sBIII"
_HELLO_BYTES = struct.calcsize(_HELLO)
_OPEN = "<BH8s6s"
_OFFER = "<H"  # behind the texts: bytes of payload that the hub takes, where they are more than every receiver does
FLAG_SAFE_MODE = 1
_TEXTS = ("name", "board", "firmware", "crumb")
_TEXT_BYTES_MAX = 40


def pack_hello(hello):
    """HELLO's payload from a dict with the keys that `unpack_hello` returns."""
    payload = struct.pack(
        _HELLO,
        PROTOCOL_MIN,
        PROTOCOL_MAX,
        hello["nonce"],
        hello["dictionary"],
        hello["hub_id"],
        hello["boot_id"],
        hello["boots"] & 0xFFFF,
        hello["reset_cause"],
        hello["flags"],
        hello["credit"],
        hello["job"],
        hello["job_phase"],
        hello["job_received_bytes"],
        hello["scan_oldest"],
        hello["scan_next"],
    )
    for key in _TEXTS:
        text = _cut(hello[key].encode())
        payload += bytes((len(text),)) + text
    offered = hello.get("payload_bytes", PAYLOAD_BYTES_MAX)
    return payload + struct.pack(_OFFER, offered) if offered > PAYLOAD_BYTES_MAX else payload


def unpack_hello(payload):
    """The dict, or None if it is no HELLO. Of a foreign protocol only the range is filled in."""
    if len(payload) < 2:
        return None
    low, high = payload[0], payload[1]
    if low > PROTOCOL_MAX or high < PROTOCOL_MIN:
        return {"protocol_min": low, "protocol_max": high}
    if len(payload) < _HELLO_BYTES:
        return None
    values = struct.unpack_from(_HELLO, payload, 0)
    hello = {
        "protocol_min": low,
        "protocol_max": high,
        "nonce": values[2],
        "dictionary": values[3],
        "hub_id": values[4],
        "boot_id": values[5],
        "boots": values[6],
        "reset_cause": values[7],
        "flags": values[8],
        "credit": values[9],
        "job": values[10],
        "job_phase": values[11],
        "job_received_bytes": values[12],
        "scan_oldest": values[13],
        "scan_next": values[14],
    }
    at = _HELLO_BYTES
    for key in _TEXTS:
        if at >= len(payload) or at + 1 + payload[at] > len(payload):
            return None
        end = at + 1 + payload[at]
        try:
            hello[key] = str(bytes(payload[at + 1 : end]), "utf-8")
        except ValueError:  # UnicodeError: a text cut inside a character, or no text at all
            hello[key] = "?"
        at = end
    offered = struct.unpack_from(_OFFER, payload, at)[0] if len(payload) >= at + 2 else 0
    hello["payload_bytes"] = min(max(offered, PAYLOAD_BYTES_MAX), PAYLOAD_BYTES_OFFERED)
    return hello


def _cut(text):
    """UTF-8 of at most _TEXT_BYTES_MAX, cut between characters."""
    end = min(len(text), _TEXT_BYTES_MAX)
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]


def pack_open(nonce, boot_id, credit, protocol=PROTOCOL_MAX):
    return struct.pack(_OPEN, protocol, nonce, boot_id, credit)


def unpack_open(payload):
    """(protocol, nonce, boot id, credit), or None. Of a foreign protocol the first alone tells."""
    if payload and not PROTOCOL_MIN <= payload[0] <= PROTOCOL_MAX:
        return payload[0], 0, b"", b""
    if len(payload) != struct.calcsize(_OPEN):
        return None
    return struct.unpack_from(_OPEN, payload, 0)
