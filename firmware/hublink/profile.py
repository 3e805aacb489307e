"""The link's numbers for each transport; docs/protocol.md says where each comes from."""


class Profile:
    """Timing and sizes; all times in milliseconds."""

    def __init__(
        self,
        name,
        payload_bytes,
        window,
        rto_first_ms,
        rto_min_ms,
        rto_max_ms,
        ping_ms,
        down_ms,
        hello_ms=500,
        bulk_window=None,
    ):
        self.name = name
        self.payload_bytes = payload_bytes  # a hub offers no more on this transport
        self.window = window  # frames in flight
        self.bulk_window = bulk_window or window  # with so many nothing of the printer or an update follows
        self.rto_first_ms = rto_first_ms
        self.rto_min_ms = rto_min_ms
        self.rto_max_ms = rto_max_ms
        self.ping_ms = ping_ms  # after so long without sending
        self.down_ms = down_ms  # after so long without hearing
        self.ack_delay_ms = 20
        self.hello_ms = hello_ms  # between two calls for a bridge: a till that is back waits for the next one


UART = Profile("uart", 240, 8, 500, 150, 2000, 500, 2000, 100, 3)
USB = Profile("usb", 748, 8, 500, 150, 2000, 500, 2000, 100)
TCP = Profile("tcp", 240, 8, 1000, 1000, 4000, 2000, 8000)
PROFILES = {"uart": UART, "usb": USB, "tcp": TCP}
