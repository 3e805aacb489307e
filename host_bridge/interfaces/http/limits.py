"""Each limit of the HTTP port, in one place. A client that meets one is told so; the others notice nothing."""

from __future__ import annotations

import msgspec

KIB = 1024
MIB = 1024 * KIB


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults fit one counter; tests shorten the deadlines."""

    # Connections
    connections: int = 256  # beyond it: 503 and closed at once
    websockets: int = 32  # a shop has a handful of tills and pages; each may hold 1000 unread events
    backlog: int = 512  # connections that may arrive in one burst
    header_deadline_ms: int = 10_000  # from the connection to the end of the first request's header
    idle_deadline_ms: int = 30_000  # between two requests of one connection
    stalled_write_ms: int = 30_000  # a client that doesn't read its answer for so long is cut off
    stop_deadline_ms: int = 3_000  # requests under way when the bridge stops

    # Requests
    header_line_bytes: int = 8_190
    header_fields: int = 64
    print_body_bytes: int = 16 * MIB
    json_body_bytes: int = 64 * KIB
    bodies_under_way_bytes: int = 64 * MIB  # all clients together
    body_deadline_ms: int = 30_000  # 16 MiB over a 5 Mbit/s Wi-Fi
    request_deadline_ms: int = 120_000  # everything else included

    # Work in threads: composing text and pictures, drawing receipts
    work_threads: int = 2
    work_waiting: int = 32
    work_deadline_ms: int = 60_000  # 16 MiB of one-character lines on a slow till
    receipt_cache_bytes: int = 16 * MIB

    # WebSocket
    send_deadline_ms: int = 5_000
    heartbeat_ms: int = 15_000
    client_message_bytes: int = 4 * KIB
    bad_messages: int = 10

    # Answers
    list_items: int = 500
