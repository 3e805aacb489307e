"""One counter's life in examples, for the OpenAPI document and its page. Real Structs, so that they can't go stale."""

from __future__ import annotations

from host_bridge.devices import gs1
from host_bridge.events import (
    DrawerEvent,
    Event,
    FaultEvent,
    IndicatorEvent,
    JobEvent,
    LightEvent,
    LinkEvent,
    PrinterEvent,
    ReceiptEvent,
    ScanEvent,
    ScannerEvent,
    ScanSettledEvent,
    VirtualFaultEvent,
)
from host_bridge.hub.plugged import PluggedPort
from host_bridge.interfaces.http.shapes import (
    Accepted,
    Ack,
    AckAnswer,
    DrawerOpen,
    ErrorMessage,
    Health,
    Hubs,
    Jobs,
    Light,
    Ports,
    ReceiptLinks,
    ReceiptView,
    ScannerWish,
    Scans,
    ScanView,
    StateMessage,
    Texts,
    VirtualFault,
    VirtualScan,
    hub_view,
    job_links,
    job_view,
)
from host_bridge.journal.records import Job, JobState, Kick, KickState, ScanState
from host_bridge.state import (
    Devices,
    DrawerState,
    FaultState,
    HubState,
    IndicatorState,
    LightStep,
    LinkState,
    PrinterState,
    ScannerState,
    State,
    Text,
)
from host_bridge.watch.reasons import REASON_TEXTS

NOON = "2025-06-30T04:00:00.000+00:00"
NOON_S = 1751256000.0
JOB_ID = "9f2c61d04be8a753"

JOB = Job(
    job_id=JOB_ID,
    state=JobState.PRINTED,
    source="api",
    size_bytes=1482,
    sha256="5c1f0e7d9a3b46288f61c2d7e09b5a4413f8e6d2c07a9b5e84d1f3a26c7e0b95",
    created_at=NOON_S,
    updated_at=NOON_S + 1.4,
    boot_id="b7a1c0de",
    sent_bytes=1482,
)
PAPER_END = FaultState(
    code="paper_end",
    severity="error",
    device="printer",
    since=NOON,
    blinks=3,
    title=Text("The printer is out of paper", "打印机缺纸"),
    cause=Text("The paper sensor sees no paper.", "纸传感器检测不到纸。"),
    remedy=Text("Put in a new roll. The receipt goes on by itself.", "请装入新纸卷，小票会自动继续打印。"),
)
LINK = LinkState(status="up", since=NOON, port="/dev/ttyACM0", transport="USB CDC", round_trip_ms=3.1, session=4711)
PRINTER = PrinterState(status="ready", online=True, paper="ok", queued_jobs=0, asb="14000000")
INDICATOR = IndicatorState(
    pattern="ready",
    known=True,
    meaning=Text("Everything works", "一切正常"),
    steps=[LightStep("#00a651", 2900), LightStep("#000000", 100)],
)
STATE = State(
    version="0.1.0",
    time=NOON,
    virtual=False,
    link=LINK,
    hub=HubState(
        id="e6614c311b7e2b32",
        name="Counter 1",
        board="rpi_pico",
        firmware="0.1.0",
        boot_id="b7a1c0de",
        reset_cause="power_on",
        boots=12,
    ),
    devices=Devices(
        scanner=ScannerState(status="ready", scans=214, waiting=0),
        printer=PRINTER,
        drawer=DrawerState(status="closed"),
    ),
    indicator=INDICATOR,
    faults=[],
)
HEALTH = Health(status="ok", link="up")
PORTS = Ports(
    ports=[
        PluggedPort(
            device="/dev/ttyACM0",
            description="Board in FS mode",
            vid=0x2E8A,
            pid=5,
            serial_number="e66141041b5c2f27",
            looks_like_hub=True,
            served_as="till1",
            hub_id="e66141041b5c2f27",
            hub_name="till 1",
        )
    ]
)
TEXTS = Texts(reasons={"link_lost": REASON_TEXTS["link_lost"]})
HUBS = Hubs(hubs=[hub_view("till1", STATE), hub_view("till2", STATE)])
ACCEPTED = Accepted(job_id=JOB_ID, state="queued", links=job_links(JOB_ID))
JOB_VIEW = job_view(JOB)
JOBS = Jobs(jobs=[JOB_VIEW])
KICK = Kick(kick_id=88, source="api", drawer=1, state=KickState.OPENED, created_at=NOON_S, updated_at=NOON_S + 0.2)
DRAWER_OPEN = DrawerOpen(drawer=1, on_ms=100, time_to_live_ms=2000)
SCANS = Scans(
    scans=[
        ScanView(
            sequence=3017,
            data="6901234567892",
            data_hex="36393031323334353637383932",
            symbology="]E0",
            check_digit_ok=True,
            repeat=False,
            read_at=NOON,
            gs1=None,
            state=ScanState.DELIVERED,
        )
    ],
    next_after=3017,
)
SCAN_EVENT = ScanEvent(
    sequence=3018,
    data="6901234567892",
    data_hex="36393031323334353637383932",
    symbology="]E0",
    check_digit_ok=True,
    repeat=False,
    read_at=NOON,
)
GS1_DATA = "0109501101530003310300125010LOT7\x1d17260131"
GS1_SCAN_EVENT = ScanEvent(
    sequence=3019,
    data=GS1_DATA,
    data_hex=GS1_DATA.encode().hex(),
    symbology="]C1",
    check_digit_ok=True,
    repeat=False,
    read_at=NOON,
    gs1=gs1.parse(GS1_DATA, "]C1"),
)
SCANNER_WISH = ScannerWish(enabled=False, for_ms=60_000)
SCANNER_OFF = ScannerState(status="off", switchable=True, off_until=NOON, scans=214, waiting=0)
VIRTUAL_SCAN = VirtualScan(data="6901234567892", symbology="]E0")
VIRTUAL_FAULT = VirtualFault(fault="paper_end", active=True)
LIGHTS = [Light(at_ms=120_450, colour="#00a651"), Light(at_ms=123_350, colour="#000000")]
RECEIPTS = [
    ReceiptView(
        n=1,
        size_bytes=1482,
        height_px=640,
        cut=True,
        printed_at=NOON,
        links=ReceiptLinks(png="/virtual/receipts/1.png", bin="/virtual/receipts/1.bin"),
    )
]

SERVER_MESSAGES: tuple[StateMessage | AckAnswer | ErrorMessage | Event, ...] = (
    StateMessage(state=STATE),
    SCAN_EVENT,
    GS1_SCAN_EVENT,
    ScanSettledEvent(sequence=3018, outcome="delivered"),
    AckAnswer(sequence=3018, accepted=True),
    ScannerEvent(scanner=SCANNER_OFF),
    JobEvent(job=JOB),
    DrawerEvent(status="open", kick=KICK),
    PrinterEvent(printer=PRINTER),
    FaultEvent(active=True, fault=PAPER_END),
    LinkEvent(link=LINK),
    IndicatorEvent(indicator=INDICATOR),
    ErrorMessage(code="message_malformed", detail='Expected {"type":"ack","sequence":N}, got \'hello\'.'),
    LightEvent(colour="#00a651", at_ms=120_450),
    ReceiptEvent(n=1),
    VirtualFaultEvent(fault="paper_end", active=True),
)
CLIENT_MESSAGES: tuple[Ack, ...] = (Ack(sequence=3018),)
