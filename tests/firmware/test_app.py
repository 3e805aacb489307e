"""The hub as a whole: starts on any board, tells its faults, and gets over what kills its tasks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_bridge.boards import check, document, files, schema
from hublink.fault_table import NUMBER_OF
from tests.bridge.counter import BOARD, Counter
from tests.firmware.board import HARD_RESET, LED, PWRON_RESET, WDT_RESET, Board
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

LINK = BOARD["link"]
WATCHDOG_MS = 4000
SETTLED_S = 61


def board(**parts: Any) -> Board:
    return Board({"name": "bench", "watchdog_ms": WATCHDOG_MS, "link": LINK, **parts})


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"indicator": {"kind": "none"}},
        {"indicator": {"kind": "mono", "pin": 2}},
        {"indicator": {"kind": "rgb", "red": 18, "green": 19, "blue": 20}},
        {"scanner": {"uart": 2, "tx": 8, "rx": 9, "baud_rate": 9600}},
        {"drawer": {"wiring": "gpio", "kick": [14]}},
        {"drawer": {"wiring": "printer"}},
        {"printer": BOARD["printer"]},
    ],
)
def test_the_hub_runs_on_a_board_with_any_of_the_devices(parts: Any) -> None:
    async def main() -> None:
        hub = board(**parts)
        hub.start()
        await seconds(120)
        assert hub.resets == [PWRON_RESET]

    run_in_virtual_time(main())


class Asked(dict[str, Any]):
    """A board file that remembers which of its sections were asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.keys_asked: set[str] = set()

    def __contains__(self, key: object) -> bool:
        self.keys_asked.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self.keys_asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.keys_asked.add(key)
        return super().get(key, default)


@in_virtual_time
async def test_flash_lays_every_section_that_the_hub_asks_for() -> None:
    text = 'hub_name = "counter 3"\n' + files.read("virtual").text
    text += '[backup_link]\ntransport = "uart"\nuart = 3\ntx = 22\nrx = 23\nbaud_rate = 115200\n'
    asked = Asked(files.board_file(text))
    hub = Board(dict(asked))

    def watch() -> None:
        assert hub.life
        hub.life.module("board")._board = asked
        hub.life.module("technician").holds_button(asked)

    hub.on_start = watch
    hub.start()
    await seconds(1)
    written = files.parse(text)
    assert {key for key in asked.keys_asked if getattr(written, key) is None} == set(), "the test's file has all"
    assert asked.keys_asked >= {"backup_link", "safe_mode", "hub_name"}
    assert asked.keys_asked - set(asked) == set()


def tasks(hub: Any) -> dict[str, Any]:
    return {task.name: task for task in hub.supervisor._tasks}


def crumb(hub: Board) -> str:
    assert hub.life
    return str(hub.life.module("survival").last_crumb())


@in_virtual_time
async def test_a_task_that_comes_to_no_rest_brings_the_watchdog_and_is_named_afterwards() -> None:
    hub = board(**{key: BOARD[key] for key in ("printer", "scanner", "drawer")})
    tasks(hub.start())["printer_watch"].work("probe")  # and it never rests
    task = tasks(hub.life.hub)["scanner"] if hub.life else None
    assert task
    task.work("scan")

    await until(lambda: len(hub.resets) > 1, 10)

    assert hub.resets == [PWRON_RESET, WDT_RESET]
    assert crumb(hub).startswith("late:")


@in_virtual_time
async def test_a_loop_that_hangs_leaves_the_name_of_the_task_at_work() -> None:
    hub = board(scanner=BOARD["scanner"])
    started = hub.start()
    await seconds(1)
    supervisor = started.supervisor
    tasks(started)["scanner"].work("scan")
    hub.ticks_offset += 1600  # the loop has not turned for so long; interrupts come all the same
    supervisor._look(None)

    await until(lambda: len(hub.resets) > 1, 10)

    assert hub.resets[-1] == WDT_RESET
    assert crumb(hub).startswith("hang:scanner:scan")


@in_virtual_time
async def test_a_task_that_dies_is_started_again_later_each_time_and_the_bridge_is_told(tmp_path: Any) -> None:
    counter = Counter(tmp_path)
    hub = counter.board.start(PWRON_RESET)
    await counter.start_bridge()
    await until(lambda: counter.is_up)
    starts: list[float] = []
    run = hub.scanner.read

    async def dies(task: Any) -> None:
        starts.append(the_loop().time())
        if len(starts) < 4:
            raise OSError("the UART is gone")
        await run(task)

    tasks(hub)["scanner"].run = dies
    hub.scanner._split = explode(OSError("the UART is gone"))
    await counter.scan(b"1234")
    await until(lambda: len(starts) == 4, 10)
    gaps = [second - first for first, second in itertools.pairwise(starts)]
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0]
    assert counter.faults
    assert {fault.code for fault in counter.faults.active()} == {"task_failed"}
    events = await counter.journal.events(100)
    assert any(event.kind == "hub_task_failed" and "UART is gone" in event.detail["text"] for event in events)
    del hub.scanner._split
    await counter.scan(b"5678")
    await until(lambda: counter.devices.scans.scans == 1)
    await counter.kill_bridge()


def explode(error: Exception) -> Any:
    def fail(*arguments: Any) -> None:
        raise error

    return fail


@in_virtual_time
async def test_a_task_that_keeps_dying_resets_the_hub_on_purpose() -> None:
    hub = board(scanner=BOARD["scanner"])
    started = hub.start()
    await seconds(0.1)
    started.scanner._look = explode(ValueError("broken"))

    await until(lambda: len(hub.resets) > 1, 30)

    assert crumb(hub) == "reset:failing:scanner_sense"
    assert hub.resets[-1] != WDT_RESET


@in_virtual_time
async def test_five_quick_boots_lead_into_safe_mode_and_a_settled_life_out_of_it() -> None:
    hub = board(scanner=BOARD["scanner"], drawer={"wiring": "gpio", "kick": [14]})
    for number in range(1, 6):
        started = hub.start(WDT_RESET if number > 1 else PWRON_RESET)
        assert started._hello()["flags"] == (number >= 5)
        await seconds(5)
    assert started.scanner is None
    assert started.faults.numbers()
    await seconds(SETTLED_S)
    assert hub.start(WDT_RESET)._hello()["flags"] == 0


@in_virtual_time
async def test_a_life_of_a_minute_starts_the_count_anew() -> None:
    hub = board()
    for _ in range(8):
        assert hub.start(WDT_RESET)._hello()["flags"] == 0
        await seconds(SETTLED_S)


@in_virtual_time
async def test_the_pins_of_the_drawer_are_at_rest_after_any_reset() -> None:
    hub = board(drawer={"wiring": "gpio", "kick": [14, 15]})
    hub.start()
    hub.set_level(14, 1)
    hub.start(WDT_RESET)
    assert hub.levels[14] == hub.levels[15] == 0


@in_virtual_time
async def test_a_till_that_is_away_resets_nothing() -> None:
    hub = board(scanner=BOARD["scanner"])
    hub.start()
    await seconds(600)
    assert hub.resets == [PWRON_RESET]


@in_virtual_time
async def test_the_last_word_on_the_faults_reaches_the_bridge_even_after_a_storm(tmp_path: Any) -> None:
    counter = Counter(tmp_path)
    hub = counter.board.start(PWRON_RESET)
    await counter.start_bridge()
    await until(lambda: counter.is_up)
    await seconds(1)
    for number in range(61):  # more changes in one moment than the link queues
        hub.faults.set("paper_end", number % 2 == 0)
    assert counter.faults
    await until(lambda: {fault.code for fault in counter.faults.active()} == {"paper_end"}, 5)  # type: ignore[union-attr]
    for number in range(61):
        hub.faults.set("paper_end", number % 2 == 1)
    await until(lambda: counter.faults and not counter.faults.active(), 5)
    await counter.kill_bridge()


# -- a board file that is wrong --------------------------------------------------------------------------------------

WHOLE = {key: BOARD[key] for key in ("printer", "scanner", "drawer")} | {
    "indicator": {"kind": "rgb", "red": 18, "green": 19, "blue": 20}
}
DEVICE_TASKS = {"printer": "printer_read", "scanner": "scanner", "drawer": "drawer_switch"}


async def problems_of(hub: Board) -> tuple[set[str], list[str]]:
    """What a bridge learns of a hub that has run for a while: its faults' codes, and the texts."""
    started = hub.start()
    by_number = {entry[0]: entry[1] for entry in hub.life._modules["hublink.fault_table"].FAULTS}  # type: ignore[union-attr]
    await seconds(30)
    assert hub.resets == [PWRON_RESET]
    return {by_number[number] for number in started.faults.active}, started._problems


@pytest.mark.parametrize(
    ("section", "wrong", "said"),
    [
        ("printer", {"tx": 77}, "board.json: printer.tx: there is no pin 77"),
        ("printer", {"uart": 9}, "board.json: printer.uart: UART(9) doesn't exist"),
        ("scanner", {"uart": 9, "trigger": "serial_syn"}, "board.json: scanner.uart: UART(9) doesn't exist"),
        ("scanner", {"trigger": "pin", "trigger_pin": 77}, "board.json: scanner.trigger_pin: there is no pin 77"),
        (
            "scanner",
            {"trigger": "bell"},
            "board.json: scanner: trigger: expected gm65, none, pin or serial_syn, found 'bell'",
        ),
        ("printer", {"baud_rate": None}, "board.json: printer.baud_rate: missing"),
        ("scanner", {"sense": "GP99"}, "board.json: scanner.sense: there is no pin 'GP99'"),
        ("drawer", {"kick": [14, 99]}, "board.json: drawer.kick: there is no pin 99"),
        (
            "drawer",
            {"wiring": "wireless"},
            "board.json: drawer: wiring: expected 'gpio' or 'printer', found 'wireless'",
        ),
        ("drawer", {"kick": None}, "board.json: drawer.kick: missing"),
    ],
)
def test_a_wrong_section_leaves_out_its_device_and_no_other(section: str, wrong: Any, said: str) -> None:
    async def main() -> None:
        values = {key: value for key, value in {**WHOLE[section], **wrong}.items() if value is not None}
        hub = board(**{**WHOLE, section: values})
        codes, problems = await problems_of(hub)
        assert (codes - {"printer_power", "scanner_unplugged"}, problems) == (
            {"board_file", f"{section}_left_out"},
            [said],
        )
        assert hub.life
        running = tasks(hub.life.hub)
        assert {device for device, task in DEVICE_TASKS.items() if task in running} == set(DEVICE_TASKS) - {section}
        assert not hub.levels.get(14)  # the pin that there is, is at rest

    run_in_virtual_time(main())


@pytest.mark.parametrize("span_ms", [-1, 0, 1, 500, 999, 1000, 4000, 8388, 8389, 20_000, 60_000])
@pytest.mark.parametrize("name", ["virtual", "pico", "esp32_devkitc", "esp32_s3_devkitc"])
def test_the_hub_takes_the_watchdogs_times_that_boards_check_lets_pass(name: str, span_ms: int) -> None:
    async def main() -> None:
        text = re.sub(r"watchdog_ms = \d+", f"watchdog_ms = {span_ms}", files.read(name).text)
        hub = board(watchdog_ms=span_ms)
        assert (hub.start()._problems == []) == (check.check(files.BoardFile(name, text))[1] == [])

    run_in_virtual_time(main())


def pin_keys() -> Iterator[tuple[str, str]]:
    """Section and key of every pin that a board file can name."""
    for section, hint in get_type_hints(schema.Board).items():
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and issubclass(part, schema.Section):
                for key, told in get_type_hints(part, include_extras=True).items():
                    if document.holds_pin(told):
                        yield section, key


@in_virtual_time
async def test_whatever_pin_the_chip_does_not_have_is_named_by_its_key() -> None:
    hub = board()
    hub.start()
    assert hub.life
    module = hub.life.module("board")
    keys = list(pin_keys())
    assert {("scanner", "trigger_pin"), ("drawer", "kick"), ("backup_link", "rx"), ("safe_mode", "pin")} <= set(keys)
    for section, key in keys:
        module._board = {section: {key: [77] if key == "kick" else 77, "kind": "serial_syn", "trigger": "serial_syn"}}
        said = module.explain(section, ValueError("invalid pin"))
        assert said == f"board.json: {section}.{key}: there is no pin 77"


@pytest.mark.parametrize("wrong", [7, "rubbish", [], None])
@pytest.mark.parametrize("section", ["printer", "scanner", "drawer", "indicator", "link", "safe_mode", "watchdog_ms"])
def test_a_section_that_is_no_section_stops_nothing(section: str, wrong: Any) -> None:
    async def main() -> None:
        hub = board(**{**WHOLE, section: wrong})
        _, problems = await problems_of(hub)
        if section != "safe_mode":  # main.py's, not the hub's
            assert len(problems) >= 1 and f"board.json: {section}" in problems[0]

    run_in_virtual_time(main())


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 200),
    st.floats(),
    st.text(max_size=6),
    st.lists(st.integers(), max_size=2),
)
SECTION = st.one_of(
    VALUES,
    st.dictionaries(
        st.sampled_from(
            sorted(
                {key for part in BOARD.values() if isinstance(part, dict) for key in part}
                | {"kind", "red", "pin", "trigger", "flow", "power", "left_open_ms"}
            )
        ),
        VALUES,
        max_size=6,
    ),
)


@settings(max_examples=40, deadline=None)
@given(
    whole=st.booleans(),
    parts=st.dictionaries(
        st.sampled_from(
            ("printer", "scanner", "drawer", "indicator", "link", "backup_link", "hub_name", "watchdog_ms")
        ),
        SECTION,
    ),
    changes=st.dictionaries(st.sampled_from(("printer", "scanner", "drawer")), st.tuples(st.integers(0, 9), VALUES)),
)
def test_no_board_file_stops_the_hub(whole: bool, parts: dict[str, Any], changes: dict[str, tuple[int, Any]]) -> None:
    """Whole sections of rubbish, or one wrong value in a good one."""

    async def main() -> None:
        config = {**WHOLE, **(parts if whole else {})}
        for section, (number, value) in changes.items():
            if isinstance(config[section], dict) and config[section]:
                key = sorted(config[section])[number % len(config[section])]
                config[section] = {**config[section], key: value}
        hub = board(**config)
        started = hub.start()
        await seconds(3)
        assert hub.resets == [PWRON_RESET]
        assert "indicator" in tasks(started) and started._hello()["boots"] == 1

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    "light",
    [
        {"kind": "rgb", "red": 18, "green": 19},
        {"kind": "mono"},
        {"kind": "mono", "pin": 80},
        {"kind": "lantern"},
    ],
)
@pytest.mark.parametrize("has_led", [True, False])
def test_a_light_that_is_wired_wrong_is_told_by_the_boards_own_led(light: Any, has_led: bool) -> None:
    async def main() -> None:
        hub = board(**{**WHOLE, "indicator": light})
        hub.has_led = has_led
        codes, _ = await problems_of(hub)
        assert "indicator" in codes
        assert (len(hub.pulses(LED)) > 10) == has_led
        assert "scanner" in tasks(hub.life.hub)  # type: ignore[union-attr]

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"name": "x"}', "\x00\xff", '{"name": "x", "link": ', "9" * 9000]
)
def test_a_board_file_that_can_not_be_read_is_replaced_by_the_last_one_that_could(text: str | None) -> None:
    async def main() -> None:
        hub = board(**WHOLE)
        hub.start()
        await seconds(1)
        hub.end()
        hub.set_level(14, 1)
        if text is None:
            del hub.files.texts["board.json"]
        else:
            hub.files.texts["board.json"] = text
        started = hub.start(WDT_RESET)
        assert hub.levels[14] == 0  # at rest, as ever
        await seconds(60)
        assert hub.resets == [PWRON_RESET, WDT_RESET]
        assert set(DEVICE_TASKS.values()) <= set(tasks(started))
        assert NUMBER_OF["board_file"] in started.faults.numbers()
        assert started._problems[0].startswith("board.json: ") and "the last one" in started._problems[0]

    run_in_virtual_time(main())


@pytest.mark.parametrize("text", [None, "{"])
@pytest.mark.parametrize("has_led", [True, False])
def test_without_any_board_file_the_hub_lives_shows_it_and_resets_nothing(text: str | None, has_led: bool) -> None:
    async def main() -> None:
        hub = board(**WHOLE)
        hub.has_led = has_led
        hub.files.texts = {} if text is None else {"board.json": text}
        started = hub.start()
        await seconds(120)
        assert hub.resets == [PWRON_RESET]
        assert (len(hub.pulses(LED)) > 10) == has_led
        assert started.faults.numbers() == bytes([NUMBER_OF["board_file"]])
        assert started._hello()["board"] == "unknown"

    run_in_virtual_time(main())


@in_virtual_time
async def test_the_copy_is_written_once_and_again_when_the_board_file_changes() -> None:
    hub = board(**WHOLE)
    hub.start()
    hub.start(WDT_RESET)
    assert hub.files.writes == 1
    hub.files.texts["board.json"] = hub.files.texts["board.json"].replace("115200", "9600")
    hub.start(WDT_RESET)
    assert (hub.files.writes, hub.files.texts["board.kept.json"]) == (2, hub.files.texts["board.json"])


@pytest.mark.parametrize("errno", [28, 30])
def test_a_file_system_that_takes_nothing_is_a_fault_of_its_own_and_all_goes_on(errno: int) -> None:
    async def main() -> None:
        hub = board(**WHOLE)
        hub.files.broken = OSError(errno, "no")
        started = hub.start()
        assert NUMBER_OF["hub_storage"] in started.faults.numbers()
        assert started._problems[0].startswith("file system: ")
        assert set(DEVICE_TASKS.values()) <= set(tasks(started))
        started.scanner._look = explode(ValueError("broken"))
        await until(lambda: len(hub.resets) > 1, 30)  # the traceback can't be kept; the crumb is
        assert crumb(hub) == "reset:failing:scanner_sense"

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_file_system_that_is_nearly_full_is_told() -> None:
    hub = board(**WHOLE)
    hub.files.free_bytes = 30_000
    started = hub.start()
    assert NUMBER_OF["hub_storage"] in started.faults.numbers()
    assert started._problems == ["file system: 28672 bytes free, an update needs 32768"]


# -- tasks that die --------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_traceback_of_what_reset_the_hub_reaches_the_bridge_in_the_next_life(tmp_path: Any) -> None:
    counter = Counter(tmp_path)
    started = counter.board.start(PWRON_RESET)
    await seconds(0.1)
    started.scanner._look = explode(ValueError("broken beyond repair"))
    await until(lambda: len(counter.board.resets) > 1, 30)
    await counter.start_bridge()
    await until(lambda: counter.is_up)
    await seconds(1)
    assert counter.journal and counter.devices
    events = await counter.journal.events(100)
    assert any(event.kind == "hub_task_failed" and "broken beyond repair" in event.detail["text"] for event in events)
    assert "traceback.txt" not in counter.board.files.texts
    hub = counter.devices.hub()
    assert hub and hub.crash and hub.crash.en == "In the hub task scanner_sense failed again and again"
    await counter.kill_bridge()


@in_virtual_time
async def test_a_task_that_is_cancelled_comes_back() -> None:
    hub = board(**WHOLE)
    started = hub.start()
    await seconds(1)
    assert hub.life
    before = len(hub.life.tasks)
    for kept in list(hub.life.tasks):
        if "_keep" in repr(kept):
            kept.cancel()
    await seconds(5)
    assert started.faults.numbers() and hub.resets == [PWRON_RESET]
    assert not any(task.done() for task in hub.life.tasks[:before] if "_keep" in repr(task))


@in_virtual_time
async def test_what_died_is_counted_as_long_as_it_is_the_same() -> None:
    hub = board(scanner=BOARD["scanner"])
    seen = []
    for culprit in ("scanner_sense", "scanner_sense", "link_time", "scanner_sense"):
        started = hub.start(PWRON_RESET if not hub.resets else HARD_RESET)
        lives = len(hub.resets)
        await seconds(0.05)
        tasks(started)[culprit].run = explode(ValueError("broken"))
        for task in hub.life.tasks:  # type: ignore[union-attr]
            if "_keep" in repr(task):
                task.cancel()
        await until(lambda lives=lives: len(hub.resets) > lives, 30)  # type: ignore[misc]
        seen.append(crumb(hub))
        survival = hub.life.module("survival")  # type: ignore[union-attr]
        survival.has_settled()
    failing = "reset:failing:"
    assert seen == [
        f"{failing}scanner_sense",
        f"{failing}scanner_sense:2x",
        f"{failing}link_time",
        f"{failing}scanner_sense",
    ]
