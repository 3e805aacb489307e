"""How long an answer takes, and how long to wait for one: RFC 6298 in whole numbers, with 1 ms of granularity."""

from hublink import const

_TICKS_MASK = const(0x3FFFFFFF)
_TICKS_HALF = const(0x20000000)


def elapsed_ms(now, then):
    """Milliseconds from `then` to `now`, 0 where the clock stepped back."""
    span = (now - then) & _TICKS_MASK
    return span if span < _TICKS_HALF else 0


class RoundTrip:
    def __init__(self, profile):
        self.smoothed_ms = None  # of the last samples, also of earlier sessions
        self._profile = profile
        self.forget()

    def forget(self):
        """A session begins: nothing is known of its path."""
        self.timeout_ms = self._profile.rto_first_ms
        self._srtt_8 = None  # smoothed round trip, in eighths of a millisecond
        self._rttvar_4 = 0  # its variation, in quarters

    def sample(self, sample_ms):
        """One was measured. A sample longer than a link can be silent is a late echo, or a lie."""
        profile = self._profile
        if sample_ms > profile.down_ms:
            return
        if self._srtt_8 is None:
            self._srtt_8 = sample_ms * 8
            self._rttvar_4 = sample_ms * 2
        else:
            error = sample_ms - self._srtt_8 // 8
            self._srtt_8 += error
            self._rttvar_4 += abs(error) - self._rttvar_4 // 4
        self.smoothed_ms = smoothed_ms = self._srtt_8 // 8
        timeout_ms = smoothed_ms + max(self._rttvar_4, profile.ack_delay_ms)
        self.timeout_ms = min(max(timeout_ms, profile.rto_min_ms), profile.rto_max_ms)

    def back_off(self):
        """The timer ran out."""
        self.timeout_ms = min(self.timeout_ms * 2, self._profile.rto_max_ms)
