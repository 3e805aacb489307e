"""One life of the link between a HELLO and its loss, seen from either side.

Theory of operation
-------------------
The hub says HELLO every 100 ms until a bridge answers OPEN with the HELLO's nonce; the OPEN's session number is then in
every frame, and frames of any other session are dropped. Data frames carry one message each and are numbered; the
receiver takes them in order only, acknowledges cumulatively, and asks once for each gap (NAK); the sender goes back to
the first unacknowledged frame (go-back-N). Every channel but control has credit: how many messages the receiver will
take since the session began. What to send next is chosen when it can be sent, strictly by channel.

A session is never resumed. What must survive its loss is kept by the channels themselves (journal, scan ring, the
printer's cursor in HELLO) and settled again when the next session begins; see docs/decisions/0002.

Where two paths join hub and bridge, each side has a Link a path, and while one has the session the others stand by:
the hub says HELLO more seldom, and the bridge answers with PING instead of OPEN; the PONG proves both directions.
See paths.py and docs/decisions/0020.

    state      hub                                bridge
    IDLE       not started                        not started
    OPENING    HELLO beacon                       waits for HELLO, answers OPEN
    UP         session                            session
    DOWN       (goes to OPENING at once)          over: this object is done

Times are milliseconds on any clock, modulo 2**30 as MicroPython's ticks are.
"""

import struct

from hublink import const, frame, hello as hello_codec, messages
from hublink.frame import ACK, CLOSE, DATA, HELLO, NAK, OPEN, PING, PONG
from hublink.messages import BY_CODE
from hublink.round_trip import RoundTrip, elapsed_ms

HUB = "hub"
BRIDGE = "bridge"
IDLE, OPENING, UP, DOWN = "idle", "opening", "up", "down"

TICKS_MASK = const(0x3FFFFFFF)
_TICKS_HALF = const(0x20000000)
QUEUE_MESSAGES = const(16)  # waiting to be sent, a channel
CREDIT_MESSAGES = b"\x10\x04\x08\x08\x08\x08"  # a channel, at the start of a session; control's is never charged
EVENTS_MAX = 128  # that the owner has not read; text and control stop well before, to leave room for all credit
TRACE_FRAMES = 100  # each way
STANDBY_HELLO_MS = 500  # on standby: three of them make a path that is known to be good or bad within 2 s
HELLOS_APART_MS = 250  # two HELLOs so far apart, and no answer to a PING between: the hub has lost the session
PINGED_MS_MAX = const(10_000)  # however busy the link: the peer's clock and the round trip are asked for so often
_COUNTED = ("frames_in", "frames_out", "bytes_in", "bytes_out", "retransmitted", "repeated", "gaps")
_CHANNELS = const(6)
_TEXT_EVENTS = const(48)
_CONTROL_EVENTS = const(80)
_PING = "<I"
_PONG = "<II"
_NO_SESSION = const(0)
_DATA = const(2)  # frame.DATA: a name that is not of this file is looked up twice each time
_CONTROL = const(0)  # messages.CONTROL
_CREDIT = const(0)  # the code of "credit"


class Link:
    """See the module's text. `role` is HUB or BRIDGE.

    `hello` (hub): a function returning the dict for HELLO. `session` (bridge): a random number 1…65535.
    `held`: channels whose credit the owner grants itself, with `grant`; on the others reading an event grants it.
    `deliver(name, values)`, which may be set, takes each message before which no event waits; it may send and grant.
    """

    def __init__(self, role, profile, hello=None, session=_NO_SESSION, held=(), trace_frames=TRACE_FRAMES):
        self.role = role
        self.profile = profile
        self.state = IDLE
        self.standby = False  # another path has the session, or is to have it
        self.peer = {}  # the other side's HELLO (bridge only)
        self.deliver = None
        self.statistics = {name: 0 for name in _COUNTED}  # and what is rarer, once it happens
        self._trace = None
        if trace_frames:
            from hublink.trace import Trace  # a hub does without

            self._trace = Trace(trace_frames)
        self._hello = hello
        self._held = held
        self._nonce = self._now = 0
        self._is_hub = role == HUB
        self._next_session = session
        self._writer = frame.FrameWriter(self._is_hub)
        self._reader = frame.FrameReader(not self._is_hub, self._on_frame, self._on_text, self._count)
        self._events = []
        self.queues = [[] for _ in range(_CHANNELS)]
        self.in_hand = [0] * _CHANNELS  # messages of held channels that the owner has read and not yet granted
        self._payload_bytes = frame.PAYLOAD_BYTES_MAX  # of a message to the peer
        self._round_trip = RoundTrip(profile)
        self._forget_session()

    # -- what the owner calls ------------------------------------------------------------------------------------

    @property
    def is_up(self):
        return self.state == UP

    @property
    def round_trip_ms(self):
        """Smoothed; None until one was measured."""
        return self._round_trip.smoothed_ms

    @property
    def session(self):
        """The session's number, 0 while there is none."""
        return self._session if self.state == UP else _NO_SESSION

    @property
    def trace(self):
        """The last frames: (at_ms, way, type, message, session, sequence, ack, payload_bytes); see Trace."""
        return self._trace.frames() if self._trace else []

    def start(self, now):
        """Begin: the hub to say HELLO, the bridge to wait for it."""
        self._now = now
        self._to_opening(now)

    def close(self, now):
        """End the session in order; the CLOSE frame is in the next `data_to_send`."""
        self._note_time(now)
        if self.state == UP:
            self._close_due = True
            self._go_down("closed")

    def stand_by(self, standby, now):
        """Leave the session to another path (True), or be free to have it again; ends no session that this one has.

        A hub that is free again says HELLO anew: the cursors in what it said before are older than the other session.
        """
        freed = self.standby and not standby and self.state == OPENING
        self.standby = standby
        if freed and self._is_hub:
            self._to_opening(now)
        elif freed:
            self._open_due = bool(self.peer)

    def receive(self, data, now, length=None):
        """Take what the transport read: data[:length], bytes or bytearray."""
        if now != self._now:
            self._note_time(now)
        length = len(data) if length is None else length
        self.statistics["bytes_in"] += length
        self._reader.feed(data, length)

    def send(self, name, *values):
        """Queue a message. False: not up, or no room on its channel; then nothing happened."""
        message = messages.BY_NAME[name]
        channel = message.channel
        if self.state != UP or len(self.queues[channel]) >= QUEUE_MESSAGES:
            self._wanted[channel] = True
            return False
        payload = message.pack(values)
        if len(payload) > self._payload_bytes:
            raise ValueError("%s of %d bytes; at most %d fit a frame" % (name, len(payload), self._payload_bytes))
        self.queues[channel].append((message.code, payload))
        self._queued += 1
        return True

    def room(self, channel):
        """How many messages would be sent on as they come: queue space and credit. If 0, a "writable" event follows."""
        if self.state != UP:
            return 0
        room = min(QUEUE_MESSAGES, self._credit_left(channel)) - len(self.queues[channel])
        if room <= 0:
            self._wanted[channel] = True
            return 0
        return room

    def grant(self, channel, count=1):
        """The owner has finished with `count` messages of a held channel: the peer may send as many more.

        What it read in an earlier session and still holds is not on offer again until it is granted, so that a link
        that comes and goes can't fill the owner.
        """
        count = min(count, self.in_hand[channel])
        self.in_hand[channel] -= count
        self.give(channel, count)

    def give(self, channel, count):
        """Let the peer send `count` more messages; whether that is worth a frame now, which tells it."""
        if channel == _CONTROL:
            return False
        self._granted[channel] = (self._granted[channel] + count) & 0xFFFF
        self._offered[channel] += count
        due = self._credit_due[channel] + count
        self._credit_due[channel] = due
        if due * 2 >= CREDIT_MESSAGES[channel]:
            self._credit_ready = True
        return self._credit_ready

    def next_event(self):
        """The next ("up", hello), ("down", reason), ("message", name, values), ("writable", channel), ("text", bytes),
        on standby ("wanted",) at the hub and ("heard", hello) at the bridge, or None."""
        if not self._events:
            return None
        event = self._events.pop(0)
        if event[0] == "message":
            self._hand_over(messages.BY_NAME[event[1]].channel)
        return event

    def _hand_over(self, channel):
        """The owner has read a message."""
        if channel in self._held:
            self.in_hand[channel] += 1
        else:
            self.give(channel, 1)

    def peer_clock_ms(self, now):
        """The peer's clock now, never ahead of the truth; None until it has told. For deadlines in its own time."""
        if self._peer_clock is None:
            return None
        return (self._peer_clock[0] + elapsed_ms(now, self._peer_clock[1])) & TICKS_MASK

    def data_to_send(self, now):
        """The next frame's bytes, or b"" when there is nothing to send now. Call again until it is empty."""
        if now != self._now:
            self._note_time(now)
        if self._close_due:
            self._close_due = False
            return self._emit(CLOSE, 0, self._closing_session, 0, b"")
        if self.state == OPENING:
            return self._opening_frame(now)
        return self._session_frame(now) if self.state == UP else b""

    def next_timer(self, now):
        """Milliseconds until `handle_timer` (and then `data_to_send`) wants to be called; None: not at all."""
        if self.state == OPENING:
            return self._left(now, self._hello_at, self._hello_ms()) if self._is_hub else None
        if self.state != UP:
            return None
        silent_ms = elapsed_ms(now, self._heard_at)
        due = min(self.profile.down_ms - silent_ms, PINGED_MS_MAX - elapsed_ms(now, self._pinged_at))
        due = min(due, self._ping_left(now, silent_ms))
        if self._ack_owed:
            due = min(due, self.profile.ack_delay_ms - elapsed_ms(now, self._ack_since))
        if self.flight:
            due = min(due, self._round_trip.timeout_ms - elapsed_ms(now, self._flight_at))
        return max(0, due)

    def handle_timer(self, now):
        """Let time pass: loss of the peer, retransmission, a sign of life."""
        self._note_time(now)
        if self.state != UP:
            return
        silent_ms = elapsed_ms(now, self._heard_at)
        if self._ping_left(now, silent_ms) <= 0:
            self._life_due = True
        if elapsed_ms(now, self._pinged_at) >= PINGED_MS_MAX:
            self._ping_now = True
        if silent_ms >= self.profile.down_ms:
            self._go_down("silent")
        elif self.flight and elapsed_ms(now, self._flight_at) >= self._round_trip.timeout_ms:
            self._round_trip.back_off()
            self._flight_at = now
            self._resend = len(self.flight)

    # -- session state -------------------------------------------------------------------------------------------

    def _forget_session(self):
        self._session = _NO_SESSION
        self._up = -1  # the session's number once it is up; until then no frame's
        self._send_next = 0  # number of the next new frame
        self._expected = 0  # number of the next frame to take
        self.flight = []  # [number, code, payload, first sent at, times sent], oldest first
        self._acked = 0  # number of the oldest frame in flight, or of the next new one
        self._flight_at = 0  # when the retransmission timer was started
        self._resend = 0  # how many frames of the flight, from its end, must go again
        self._nak_due = self._nak_sent = False
        self._ack_owed = 0  # frames taken and not acknowledged
        self._ack_since = 0
        self._ack_now = False
        self._pong_due = None
        self._ping_now = self._probe_due = False
        self._life_due = False  # a sign of life: anything will do
        self._open_due = False
        self._close_due = False
        self._closing_session = _NO_SESSION
        self._strange_hello_at = None  # when a HELLO of no life that we know came, and nothing of the session since
        self._round_trip.forget()
        self._sent_on = [0] * _CHANNELS  # messages, mod 2**16
        self._limit_of_peer = [0] * _CHANNELS
        self._granted = [CREDIT_MESSAGES[channel] - self.in_hand[channel] for channel in range(_CHANNELS)]
        self._offered = list(self._granted)  # how many of those the peer may still send
        self._credit_due = [0] * _CHANNELS
        self._credit_ready = False  # on some channel as much is due as is worth a frame
        self._queued = 0  # messages in all queues
        self._wanted = [False] * _CHANNELS
        self._peer_clock = None
        self._heard_at = self._now
        self._sent_at = self._now
        self._pinged_at = self._now
        self._hello_at = None
        for queue in self.queues:
            queue[:] = []

    def _to_opening(self, now):
        self._forget_session()
        self._nonce = (self._nonce + 1) & 0xFFFF
        self.state = OPENING

    def _go_down(self, reason):
        closing, close_due = self._session, self._close_due
        # Messages taken but not yet read die with their session: their channels settle them again.
        self._events[:] = [event for event in self._events if event[0] != "message"] + [("down", reason)]
        self._forget_session()
        self._closing_session, self._close_due = closing, close_due
        self.state = DOWN
        if self._is_hub:
            self._nonce = (self._nonce + 1) & 0xFFFF
            self.state = OPENING

    def _come_up(self, peer_credit):
        self.state = UP
        self._up = self._session
        self._heard_at = self._sent_at = self._pinged_at = self._now
        self._limit_of_peer = list(peer_credit)
        self._ping_now = not self._is_hub
        self._payload_bytes = self.peer.get("payload_bytes", frame.PAYLOAD_BYTES_MAX)
        self._events.append(("up", self.peer))

    # -- receiving -----------------------------------------------------------------------------------------------

    def _count(self, name, amount=1):
        self.statistics[name] = self.statistics.get(name, 0) + amount

    def _on_text(self, text):
        self._count("text_bytes", len(text))
        if len(self._events) < _TEXT_EVENTS:
            self._events.append(("text", text))

    def _on_frame(self, kind, code, session, sequence, ack, payload):
        self.statistics["frames_in"] += 1
        if self._trace:
            self._trace.add(self._now, "in", kind, code, session, sequence, ack, len(payload))
        # The next frame in order of the session that is up, and nothing else to do for it: almost all of a job's.
        if kind == _DATA and sequence == self._expected and ack == self._acked and session == self._up:
            self._heard_at = self._now
            self._strange_hello_at = None
            self._take(code, payload)
        elif kind > OPEN and session == self._session and session:
            self._on_session_frame(kind, code, sequence, ack, payload)
        elif kind == HELLO:
            self._on_hello(payload)
        elif kind == OPEN:
            self._on_open(session, payload)
        else:
            self._on_foreign_session(kind, session, payload)

    def _on_hello(self, payload):
        """Bridge: a hub looks for a bridge."""
        hello = None if self._is_hub else hello_codec.unpack_hello(payload)
        self._count("hellos" if hello else "error_hello")
        if not hello:
            return
        if "nonce" not in hello:
            self._count("error_version")
            newer = hello["protocol_min"] > hello_codec.PROTOCOL_MAX
            if self.state == OPENING:
                self._go_down("bridge_too_old" if newer else "firmware_too_old")
        elif self.state == OPENING:
            self._on_hello_opening(hello)
        elif self.state == UP:
            self._on_hello_in_session(hello)

    def _on_hello_opening(self, hello):
        """Answer it. Each life and beacon gets a session number of its own: what then comes in that session is the
        answer to this very HELLO, and not to another, of which one may be an echo of an earlier life."""
        if self._session == _NO_SESSION:
            self._session = self._next_session
        elif not self._is_peers(hello):
            self._session = self._session % 0xFFFF + 1
        self.peer = hello
        self._open_due = not self.standby
        self._probe_due = self.standby

    def _is_peers(self, hello):
        return hello["boot_id"] == self.peer["boot_id"] and hello["nonce"] == self.peer["nonce"]

    def _on_hello_in_session(self, hello):
        """The hub repeats its beacon until our OPEN arrives. Another beacon than that: has it lost the session, or is
        it an echo? Ask; no answer until the next means that it has."""
        if self._is_peers(hello):
            self._open_due = True
            return
        self._count("strange_hellos")
        if self._strange_hello_at is None:
            self._strange_hello_at = self._now
            self._ping_now = True
        elif elapsed_ms(self._now, self._strange_hello_at) >= HELLOS_APART_MS:
            restarted = hello["boot_id"] != self.peer["boot_id"]
            self._go_down("hub_restarted" if restarted else "hub_lost_session")

    def _on_open(self, session, payload):
        """Hub: a bridge answers. Only the answer to the present beacon counts, not one of an earlier life."""
        opened = hello_codec.unpack_open(payload) if self._is_hub else None
        if opened is None or session == _NO_SESSION:
            self._count("error_hello")
            return
        if not hello_codec.PROTOCOL_MIN <= opened[0] <= hello_codec.PROTOCOL_MAX:
            self._count("error_version")
            return
        _, nonce, boot_id, credit = opened
        if nonce != self._nonce or boot_id != self._hello()["boot_id"]:
            self._count("error_session")
        elif self.state == OPENING and self.standby:
            self._on_standby(("wanted",))  # the owner ends the other session; this one then has new cursors to tell
        elif self.state == OPENING:
            self._session = session
            self._come_up(credit)
            self._pong_due = 0
        elif session == self._session:
            self._pong_due = 0  # our answer was lost
        else:
            self._count("error_session")

    def _on_foreign_session(self, kind, session, payload):
        """Bridge: a hub that still believes in a session with an earlier bridge is told that it is over."""
        if session == _NO_SESSION and self.state == OPENING:
            if self._is_hub and kind == PING and len(payload) == 4:
                self._pong_due = struct.unpack(_PING, payload)[0]
                return
            if self.standby and kind == PONG and self.peer:
                self._on_standby(("heard", self.peer))
                return
        self._count("error_session")
        if not self._is_hub and self.state == OPENING and session and kind != CLOSE:
            self._closing_session = session
            self._close_due = True

    def _on_standby(self, event):
        if len(self._events) < _TEXT_EVENTS:
            self._events.append(event)

    def _on_session_frame(self, kind, code, sequence, ack, payload):
        if kind == CLOSE:
            if self.state == UP:
                self._go_down("closed_by_peer")
            return
        if self.state == OPENING and self.standby:  # the answer to an OPEN that was taken back
            self._closing_session, self._close_due = self._session, True
            return
        if self.state == OPENING:
            self._come_up(self.peer["credit"])
        if self.state != UP or (ack != self._acked and not self._on_ack(ack)):
            return
        self._heard_at = self._now
        self._strange_hello_at = None
        if kind == DATA and sequence == self._expected:
            self._take(code, payload)
        elif kind == DATA:
            self._on_data_out_of_order(sequence)
        elif kind == NAK:
            self._resend = len(self.flight)
        elif kind == PING and len(payload) == 4:
            self._pong_due = struct.unpack(_PING, payload)[0]
        elif kind == PONG and len(payload) == 8:
            self._on_pong(payload)
        elif kind != ACK:
            self._count("error_length")

    def _on_data_out_of_order(self, sequence):
        if (sequence - self._expected) & 0xFFFF >= 0x8000:
            self._count("repeated")
            self._ack_now = True
        else:
            self._count("gaps")
            if not self._nak_sent:
                self._nak_due = self._nak_sent = True

    def _take(self, code, payload):
        """The next frame in order. What can't be read is counted and passed over: asking again would not mend it."""
        channel = code >> 4
        if channel == _CONTROL:
            may_take = len(self._events) < _CONTROL_EVENTS
        else:
            may_take = channel >= _CHANNELS or self._offered[channel] > 0
        if not may_take:
            self._count("error_credit")
            return
        if channel < _CHANNELS:
            self._offered[channel] -= 1
        self._expected = (self._expected + 1) & 0xFFFF
        self._nak_sent = False
        if not self._ack_owed:
            self._ack_since = self._now
        self._ack_owed += 1
        message = BY_CODE.get(code)
        values = message.unpack(payload) if message else None
        if message is None or values is None:
            self._count("error_message")
            if channel < _CHANNELS:
                self.give(channel, 1)
        elif code == _CREDIT:
            self._on_credit(values)
        elif self.deliver and not self._events:
            self._hand_over(channel)
            self.deliver(message.name, values)
        else:
            self._events.append(("message", message.name, values))

    def _on_credit(self, values):
        channel, limit = values
        grown = (limit - self._limit_of_peer[channel]) & 0xFFFF if channel < _CHANNELS else 0xFFFF
        if grown >= 0x8000 or ((limit - self._sent_on[channel]) & 0xFFFF) >= 0x8000:
            self._count("error_credit")
            return
        self._limit_of_peer[channel] = limit
        self._tell_writable(channel)

    def _tell_writable(self, channel):
        if self._wanted[channel] and len(self.queues[channel]) < min(QUEUE_MESSAGES, self._credit_left(channel)):
            self._wanted[channel] = False
            self._events.append(("writable", channel))

    def _credit_left(self, channel):
        if channel == _CONTROL:
            return QUEUE_MESSAGES
        return (self._limit_of_peer[channel] - self._sent_on[channel]) & 0xFFFF

    # -- acknowledgement and time --------------------------------------------------------------------------------

    def _on_ack(self, ack):
        """Drop what is acknowledged from the flight. False: it acknowledges what was never sent."""
        flight = self.flight
        count = (ack - self._acked) & 0xFFFF
        if count == 0 or count >= 0x8000:  # nothing new, or an older frame's acknowledgement
            return True
        if count > len(flight):
            self._count("error_ack")
            return False
        newest = flight[count - 1]
        if newest[4] == 1:
            self._round_trip.sample(elapsed_ms(self._now, newest[3]))
        self._acked = ack
        flight[:] = flight[count:]
        self._resend = min(self._resend, len(flight))
        self._flight_at = self._now
        if True in self._wanted:
            for channel in range(_CHANNELS):
                self._tell_writable(channel)
        return True

    def _on_pong(self, payload):
        echo, clock = struct.unpack(_PONG, payload)
        self._peer_clock = (clock & TICKS_MASK, self._now)
        if echo:
            self._round_trip.sample(elapsed_ms(self._now, echo & TICKS_MASK))

    def _note_time(self, now):
        """Where the clock stepped back, every span that is being timed goes on from where it was."""
        step = now - self._now
        self._now = now
        if step & TICKS_MASK < _TICKS_HALF:
            return
        self._flight_at = (self._flight_at + step) & TICKS_MASK
        self._ack_since = (self._ack_since + step) & TICKS_MASK
        self._heard_at = (self._heard_at + step) & TICKS_MASK
        self._sent_at = (self._sent_at + step) & TICKS_MASK
        self._pinged_at = (self._pinged_at + step) & TICKS_MASK
        if self._hello_at is not None:
            self._hello_at = (self._hello_at + step) & TICKS_MASK
        if self._strange_hello_at is not None:
            self._strange_hello_at = (self._strange_hello_at + step) & TICKS_MASK
        if self._peer_clock is not None:
            self._peer_clock = (self._peer_clock[0], (self._peer_clock[1] + step) & TICKS_MASK)
        for entry in self.flight:
            entry[3] = (entry[3] + step) & TICKS_MASK

    def _left(self, now, since, span_ms):
        """Milliseconds left of a span that began at `since` (None: it is due)."""
        return 0 if since is None else max(0, span_ms - elapsed_ms(now, since))

    # -- sending -------------------------------------------------------------------------------------------------

    def _opening_frame(self, now):
        if self._is_hub:
            if self._pong_due is not None:
                return self._pong(now)
            if self._left(now, self._hello_at, self._hello_ms()):
                return b""
            self._hello_at = now
            hello = self._hello()
            hello["nonce"] = self._nonce
            hello["dictionary"] = messages.DICTIONARY_HASH
            hello["credit"] = bytes(self._granted)
            hello["payload_bytes"] = min(hello.get("payload_bytes", 0), self.profile.payload_bytes)
            return self._emit(HELLO, 0, _NO_SESSION, 0, hello_codec.pack_hello(hello))
        if self._probe_due:
            self._probe_due = False
            return self._emit(PING, 0, _NO_SESSION, 0, struct.pack(_PING, now or 1))
        return self._open_frame()

    def _hello_ms(self):
        return STANDBY_HELLO_MS if self.standby else self.profile.hello_ms

    def _open_frame(self):
        if not self._open_due:
            return b""
        self._open_due = False
        protocol = min(hello_codec.PROTOCOL_MAX, self.peer["protocol_max"])
        payload = hello_codec.pack_open(self.peer["nonce"], self.peer["boot_id"], bytes(self._granted), protocol)
        return self._emit(OPEN, 0, self._session, 0, payload)

    def _session_frame(self, now):
        """What matters most first: repair, then new messages by channel, then acknowledgement, then a sign of life."""
        if self._open_due:
            return self._open_frame()
        if self._nak_due:
            self._nak_due = False
            return self._emit(NAK, 0, self._session, 0, b"")
        if self._pong_due is not None:
            return self._pong(now)
        if self._resend:
            return self._again(now)
        if (self._credit_ready or self._queued) and len(self.flight) < self.profile.window:
            coded = self._new_frame(now)
            if coded:
                return coded
        if self._ack_now or (self._ack_owed and self._ack_is_due(now)):
            return self._emit(ACK, 0, self._session, 0, b"")
        if self._ping_now or self._life_due:
            self._ping_now = False
            self._pinged_at = now
            return self._emit(PING, 0, self._session, 0, struct.pack(_PING, now or 1))
        return b""

    def _pong(self, now):
        echo, self._pong_due = self._pong_due, None
        return self._emit(PONG, 0, self._session, 0, struct.pack(_PONG, echo, now))

    def _ack_is_due(self, now):
        profile = self.profile
        return self._ack_owed * 2 >= profile.bulk_window or elapsed_ms(now, self._ack_since) >= profile.ack_delay_ms

    def _ping_left(self, now, silent_ms):
        """Milliseconds until a sign of life is due; below 0, too, once it is. A hub that misses its bridge's gives its
        own more often: a bridge that is back has to hear the old session before it can end it."""
        profile = self.profile
        unsaid_ms = elapsed_ms(now, self._sent_at)
        left = profile.ping_ms - unsaid_ms
        if not self._is_hub:
            return left
        return min(left, max(profile.ping_ms + profile.hello_ms - silent_ms, profile.hello_ms - unsaid_ms))

    def _again(self, now):
        entry = self.flight[len(self.flight) - self._resend]
        self._resend -= 1
        entry[4] += 1
        self._flight_at = now
        self.statistics["retransmitted"] += 1
        return self._emit(DATA, entry[1], self._session, entry[0], entry[2])

    def _new_frame(self, now):
        picked = self._pick()
        if picked is None:
            return b""
        code, payload = picked
        channel = code >> 4
        number = self._send_next
        self._send_next = (number + 1) & 0xFFFF
        self._sent_on[channel] = (self._sent_on[channel] + 1) & 0xFFFF
        if not self.flight:
            self._flight_at = now
        self.flight.append([number, code, payload, now, 1])
        self._tell_writable(channel)
        return self._emit(DATA, code, self._session, number, payload)

    def _pick(self):
        """The next message: credit to give, then the channels in order."""
        if self._credit_ready:
            for channel in range(1, _CHANNELS):
                if self._credit_due[channel] * 2 >= CREDIT_MESSAGES[channel]:
                    self._credit_due[channel] = 0
                    return _CREDIT, BY_CODE[_CREDIT].pack((channel, self._granted[channel]))
            self._credit_ready = False
        if self._queued:
            for channel in range(_CHANNELS):
                queue = self.queues[channel]
                if queue and self._credit_left(channel) > 0:
                    if channel >= messages.PRINTER and len(self.flight) >= self.profile.bulk_window:
                        return None
                    self._queued -= 1
                    return queue.pop(0)
        return None

    def _emit(self, kind, code, session, sequence, payload):
        """Code a frame; every frame carries the acknowledgement."""
        coded = self._writer.frame(kind, code, session, sequence, self._expected, payload)
        self._ack_owed = 0
        self._ack_now = False
        self._life_due = False
        self._sent_at = self._now
        self.statistics["frames_out"] += 1
        self.statistics["bytes_out"] += len(coded)
        if self._trace:
            self._trace.add(self._now, "out", kind, code, session, sequence, self._expected, len(payload))
        return coded
