"""The checker knows the chips, names file, key and reason, and offers pins that do."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_bridge.boards import files
from host_bridge.boards.check import Finding, check, uses
from host_bridge.boards.chips import CHIPS, MODELS
from host_bridge.boards.files import BoardFile
from host_bridge.state import Text
from hublink import hello
from tests.vectors import generate

PICO = files.read("pico").text
PICO_2 = files.read("pico_2").text
ESP32 = files.read("esp32_devkitc").text
S3 = files.read("esp32_s3_devkitc").text


def findings(text: str) -> list[Finding]:
    return check(BoardFile("counter.toml", text))[1]


def only(text: str, key: str) -> Finding:
    """The one finding there is, which is about `key`."""
    (found,) = findings(text)
    assert (found.file, found.key) == ("counter.toml", key)
    return found


def change(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the file"
    return text.replace(old, new)


@pytest.mark.parametrize("name", files.shipped())
def test_every_board_that_comes_along_is_good(name: str) -> None:
    board, found = check(files.read(name))
    assert found == []
    assert board is not None
    assert board.name == name


def test_the_boards_of_the_product_are_there() -> None:
    boards = ["esp32_devkitc", "esp32_s3_devkitc", "pico", "pico_2", "pico_2_w", "pico_w", "virtual"]
    assert files.shipped() == boards


@pytest.mark.parametrize("name", files.shipped())
def test_the_hub_gets_all_of_its_board_file_but_what_is_for_people(name: str) -> None:
    text = files.read(name).text
    laid = files.board_file(text, hub_name="counter 3")
    for_people = {"title", "port", "wiring", "host"}
    rest = {key: value for key, value in tomllib.loads(text).items() if key not in for_people}
    assert laid == {**rest, "hub_name": "counter 3"}


# --- UART pins


def test_a_pin_that_is_not_the_uarts_is_named_with_those_that_are() -> None:
    found = only(change(PICO, "tx = 0", "tx = 8"), "printer.tx")
    assert found.severity == "error"
    assert "GPIO8 can't be UART0 TX" in found.reason.en
    assert found.pins == [0, 12, 28]  # 16 is the drawer's switch


@pytest.mark.parametrize(
    ("uart", "signal", "pins"),
    [  # RP2040 datasheet, table "GPIO functions (Bank 0)", column F2
        (0, "tx", (0, 12, 16, 28)),
        (0, "rx", (1, 13, 17, 29)),
        (0, "cts", (2, 14, 18)),
        (0, "rts", (3, 15, 19)),
        (1, "tx", (4, 8, 20, 24)),
        (1, "rx", (5, 9, 21, 25)),
        (1, "cts", (6, 10, 22, 26)),
        (1, "rts", (7, 11, 23, 27)),
    ],
)
def test_the_uart_table_of_the_rp2040(uart: int, signal: str, pins: tuple[int, ...]) -> None:
    assert CHIPS["rp2040"].pins_for(uart, signal) == pins
    assert CHIPS["rp2350"].pins_for(uart, signal) == pins


def test_two_devices_on_one_uart() -> None:
    text = change(change(change(PICO, "uart = 1", "uart = 0"), "tx = 4", "tx = 12"), "rx = 5", "rx = 13")
    found = only(text, "scanner.uart")
    assert "UART0 belongs to printer already" in found.reason.en
    assert found.remedy is not None
    assert "Free: 1." in found.remedy.en


def test_a_link_over_a_uart_leaves_an_rp2040_one_device() -> None:
    link = 'transport = "uart"\nuart = 0\ntx = 12\nrx = 13\nbaud_rate = 115200'
    found = only(change(PICO, 'transport = "usb"', link), "printer.uart")
    assert "belongs to link" in found.reason.en


def test_a_uart_that_the_chip_does_not_have() -> None:
    found = [each for each in findings(change(PICO, "uart = 1", "uart = 2")) if each.key == "scanner.uart"]
    assert "RP2040 has the UARTs 0, 1" in found[0].reason.en


def test_an_incomplete_link_over_a_uart_says_what_is_missing() -> None:
    keys = {found.key for found in findings(change(PICO, 'transport = "usb"', 'transport = "uart"'))}
    assert keys == {"link.uart", "link.tx", "link.rx", "link.baud_rate"}


def test_a_link_over_usb_has_no_uart() -> None:
    assert only(change(PICO, 'transport = "usb"', 'transport = "usb"\ntx = 12'), "link.tx").severity == "error"


BACKUP = """
[backup_link]
transport = "uart"
uart = 1
tx = 8
rx = 9
baud_rate = 115200
"""


def without(text: str, section: str) -> str:
    """The file without that table."""
    head, _, rest = text.partition(f"[{section}]\n")
    return head + "[" + rest.partition("\n[")[2]


def test_a_backup_link_takes_the_uart_of_a_device_that_is_not_there() -> None:
    board, found = check(BoardFile("counter.toml", without(PICO, "scanner") + BACKUP))
    assert found == []
    assert board is not None and board.backup_link is not None and board.backup_link.tx == 8


def test_a_backup_link_and_a_device_on_one_uart_clash() -> None:
    assert "belongs to backup_link" in only(PICO + BACKUP, "scanner.uart").reason.en


def test_a_backup_links_pins_are_those_of_its_uart_and_its_own() -> None:
    keys = {each.key for each in findings(without(PICO, "scanner") + BACKUP.replace("tx = 8", "tx = 10"))}
    assert keys == {"backup_link.tx"}
    keys = {each.key for each in findings(without(PICO, "scanner") + BACKUP.replace("rx = 9", "rx = 17"))}
    assert keys == {"backup_link.rx", "drawer.kick[0]"}


def test_two_links_over_usb_are_one_too_many() -> None:
    assert "one USB" in only(PICO + '\n[backup_link]\ntransport = "usb"\n', "backup_link.transport").reason.en


@pytest.mark.parametrize("text", [ESP32, S3])
def test_the_console_of_an_esp32_is_nobodys_uart(text: str) -> None:
    for was, section in (("uart = 1", "printer"), ("uart = 2", "scanner")):
        found = only(change(text, was, "uart = 0"), f"{section}.uart")
        assert (found.severity, "MicroPython's console" in found.reason.en) == ("error", True)
        assert found.remedy == Text(f"Free: {was[-1]}.", f"可用：{was[-1]}。")
    backup = BACKUP.replace("uart = 1", "uart = 0").replace("tx = 8", "tx = 14").replace("rx = 9", "rx = 13")
    (found,) = [each for each in findings(text + backup) if each.severity == "error"]
    assert (found.key, "MicroPython's console" in found.reason.en) == ("backup_link.uart", True)
    assert found.remedy and "None is free" in found.remedy.en
    (found,) = [each for each in findings(without(text, "scanner") + backup) if each.severity == "error"]
    assert found.remedy and found.remedy.en == "Free: 2."


@pytest.mark.parametrize("text", [ESP32, S3])
def test_a_link_through_the_console_is_written_as_usb(text: str) -> None:
    link = 'transport = "uart"\nuart = 0\ntx = 13\nrx = 14\nbaud_rate = 115200'
    (found,) = [each for each in findings(change(text, 'transport = "usb"', link)) if each.severity == "error"]
    assert found.key == "link.uart"
    assert found.remedy and found.remedy.en == 'Write transport = "usb".'


# --- pins with another meaning


@pytest.mark.parametrize(
    ("text", "old", "new", "key", "words"),
    [
        (ESP32, "kick = [18]", "kick = [36]", "drawer.kick[0]", "can only read"),
        (ESP32, "switch = 4", "switch = 39", "drawer.switch", "no pull resistor"),
        (ESP32, "kick = [18]", "kick = [7]", "drawer.kick[0]", "flash"),
        (ESP32, "kick = [18]", "kick = [1]", "drawer.kick[0]", "console"),
        (ESP32, "kick = [18]", "kick = [12]", "drawer.kick[0]", "strapping"),
        (ESP32, "kick = [18]", "kick = [14]", "drawer.kick[0]", "the drawer would open"),
        (ESP32, "kick = [18]", "kick = [20]", "drawer.kick[0]", "no GPIO20"),
        (S3, "kick = [21]", "kick = [30]", "drawer.kick[0]", "flash"),
        (S3, "kick = [21]", "kick = [19]", "drawer.kick[0]", "USB"),
        (S3, "kick = [21]", "kick = [46]", "drawer.kick[0]", "strapping"),
        (S3, "kick = [21]", "kick = [48]", "drawer.kick[0]", "on-board light"),
        (PICO, "kick = [17]", "kick = [23]", "drawer.kick[0]", "power supply"),
        (PICO, "kick = [17]", "kick = [99]", "drawer.kick[0]", "no GPIO99"),
        (files.read("pico_w").text, "kick = [17]", "kick = [25]", "drawer.kick[0]", "radio"),
    ],
)
def test_a_pin_that_can_not_do_it(text: str, old: str, new: str, key: str, words: str) -> None:
    found = only(change(text, old, new), key)
    assert found.severity == "error"
    assert words in found.reason.en
    assert found.pins


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (ESP32, "switch = 4", "switch = 5", "strapping"),
        (ESP32, "switch = 4", "switch = 16", "PSRAM"),
        (ESP32, "red = 22", "red = 14", "at power-on"),
        (S3, "switch = 47", "switch = 35", "PSRAM"),
    ],
)
def test_a_doubtful_pin_is_a_warning(text: str, old: str, new: str, words: str) -> None:
    (found,) = findings(change(text, old, new))
    assert found.severity == "warning"
    assert words in found.reason.en


def test_a_pin_given_away_twice() -> None:
    found = only(change(PICO, "switch = 16", "switch = 17"), "drawer.switch")
    assert "given to drawer.kick[0] already" in found.reason.en
    assert 17 not in found.pins


def test_the_on_board_led_of_a_pico_may_be_the_light() -> None:
    lines = [line for line in PICO.splitlines() if not line.startswith(("red", "green", "blue"))]
    mono = "\n".join(lines).replace('kind = "rgb"', 'kind = "mono"\npin = 25')
    assert findings(mono) == []


# --- drawer and light


def test_a_missing_pull_down_on_the_drawers_pin_is_a_warning_with_advice() -> None:
    found = only(change(PICO, "drawer_pull_down_ohms = 10000", ""), "wiring.drawer_pull_down_ohms")
    assert found.severity == "warning"
    assert found.remedy is not None
    assert "10 kΩ" in found.remedy.en
    assert "10 kΩ" in found.remedy.zh


def test_an_rp2350_wants_a_stronger_pull_down() -> None:
    found = only(
        change(PICO_2, "drawer_pull_down_ohms = 4700", "drawer_pull_down_ohms = 10000"), "wiring.drawer_pull_down_ohms"
    )
    assert "8200" in found.reason.en


def test_a_sense_pin_on_an_rp2350_wants_a_pull_down_too() -> None:
    assert "RP2350-E9" in only(change(PICO_2, "# sense = 6", "sense = 6"), "scanner.sense").reason.en
    assert findings(change(PICO, "# sense = 6", "sense = 6")) == []


def test_a_drawer_on_the_printer_has_no_pins() -> None:
    found = findings(change(PICO, 'wiring = "gpio"', 'wiring = "printer"'))
    assert {each.key for each in found if each.severity == "error"} == {"drawer.kick", "drawer.switch"}


def test_a_drawer_on_the_printer_wants_nothing_but_a_printer() -> None:
    text = change(PICO, 'wiring = "gpio"', 'wiring = "printer"').replace("kick = [17]", "").replace("switch = 16", "")
    assert findings(text) == []
    alone = text[: text.index("[printer]")] + text[text.index("[scanner]") :]
    assert only(alone, "drawer.wiring").severity == "error"


CTS = "cts = 2                 # high: the printer is busy\n"


@pytest.mark.parametrize(
    ("printer", "key", "severity"),
    [
        ('flow = "dtr_dsr"\n', "printer.cts", "error"),
        ('flow = "rts_cts"\n', "printer.cts", "error"),
        (CTS + 'flow = "xon_xoff"\n', "printer.cts", "error"),
        (CTS + 'flow = "none"\n', "printer.cts", "error"),
        (CTS + "slack_bytes = 64\n", "printer.slack_bytes", "error"),
        ("", "printer.flow", "warning"),
        ('flow = "none"\n', "printer.flow", "warning"),
        (CTS + "sense = 3\nsense_on_level = 0\n", "printer.sense_on_level", "warning"),
    ],
)
def test_how_the_printer_says_that_it_is_busy_fits_its_pins(printer: str, key: str, severity: str) -> None:
    assert only(change(PICO, CTS, printer), key).severity == severity


@pytest.mark.parametrize(
    "printer",
    [
        CTS + 'flow = "dtr_dsr"\n',
        CTS + 'flow = "rts_cts"\n',
        'flow = "xon_xoff"\nslack_bytes = 128\nsense = 3\nsense_on_level = 0\n',
        CTS + "sense = 3\n",
    ],
)
def test_each_way_to_say_so_can_be_wired(printer: str) -> None:
    assert findings(change(PICO, CTS, printer)) == []


def test_a_drawer_without_a_switch_is_a_warning() -> None:
    assert only(change(PICO, "switch = 16\n", ""), "drawer.switch").severity == "warning"


@pytest.mark.parametrize(
    ("new", "keys"),
    [
        ('kind = "mono"', {"indicator.pin", "indicator.red", "indicator.green", "indicator.blue"}),
        ('kind = "none"', {"indicator.kind"}),
    ],
)
def test_a_lights_kind_decides_its_pins(new: str, keys: set[str]) -> None:
    assert {found.key for found in findings(change(PICO, 'kind = "rgb"', new))} == keys


@pytest.mark.parametrize("text", [PICO, PICO_2, ESP32, S3])
def test_a_watchdogs_time_is_what_every_chip_can_count(text: str) -> None:
    for good_ms in (1000, 8388):
        assert findings(change(text, "watchdog_ms = 8000", f"watchdog_ms = {good_ms}")) == []
    for wrong_ms in (999, 8389):
        wrong = change(text, "watchdog_ms = 8000", f"watchdog_ms = {wrong_ms}")
        assert "1000 to 8388" in only(wrong, "watchdog_ms").reason.en


@pytest.mark.parametrize("name", ["till 3", "x" * 40, "收" * 13 + "1", "x" * 41, "收" * 14, "收" * 40, ""])
def test_a_hubs_name_is_good_if_its_greeting_carries_all_of_it(name: str) -> None:
    found = findings(f'hub_name = "{name}"\n' + PICO)
    greeting = hello.unpack_hello(hello.pack_hello(generate.said(name=name)))
    assert (found == []) == (greeting["name"] == name != "")
    for each in found:
        assert (each.key, "1 to 40 bytes" in each.reason.en) == ("hub_name", True)


def test_chip_and_board_must_go_together() -> None:
    assert only(change(PICO, '"rp2040"', '"rp2350"').replace("= 10000", "= 4700"), "chip").severity == "error"


# --- a file that is wrong as a file


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("chip =", "", "no TOML"),
        (change(PICO, "tx = 0", 'tx = "GP0"'), "printer.tx", "expected int, found 'GP0'"),
        (change(PICO, "tx = 0", "tx = -1"), "printer.tx", "found -1"),
        (change(PICO, '"rp2040"', '"z80"'), "chip", "'rp2350'"),
        (change(PICO, 'kind = "rgb"', 'kind = "laser"'), "indicator.kind", "'ws2812'"),
        (change(PICO, "kick = [17]", "kick = 17"), "drawer.kick", "expected array, found 17"),
        (change(PICO, "kick = [17]", 'kick = [17, "x"]'), "drawer.kick[1]", "expected int"),
        (change(PICO, "[printer]", "[[printer]]"), "printer", "expected object"),
        (change(PICO, 'name = "pico"', 'name = "Kasse 1"'), "name", "'Kasse 1'"),
    ],
)
def test_a_wrong_file_gives_file_key_and_reason(text: str, key: str, words: str) -> None:
    found = only(text, key)
    assert words in found.reason.en
    assert found.reason.zh


def test_everything_that_is_missing_or_of_the_wrong_kind_is_told_at_once() -> None:
    assert {each.key for each in findings("")} == {"name", "chip", "watchdog_ms", "link"}
    text = change(change(PICO, 'kind = "rgb"', 'kind = "laser"'), "tx = 4\n", "").replace("switch = 16", "switch = 1.5")
    found = findings(change(text, "watchdog_ms = 8000", 'watchdog_ms = "long"') + "\nextra = 1\n")
    assert {each.key for each in found} == {
        "watchdog_ms", "scanner.tx", "drawer.switch", "indicator.kind", "host.extra"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "pins", "remedy"),
    [
        (change(PICO, "tx = 0", 'tx = "GP0"'), "printer.tx", [0, 12, 28], "A pin is its number alone: 0 for 'GP0'."),
        (
            change(PICO, "tx = 0", 'tx = "gpio12"'),
            "printer.tx",
            [0, 12, 28],
            "A pin is its number alone: 12 for 'gpio12'.",
        ),
        (change(PICO, "tx = 0", 'tx = "Kasse"'), "printer.tx", [0, 12, 28], None),
        (change(PICO, "tx = 0", "tx = -1"), "printer.tx", [0, 12, 28], None),
        (change(PICO, "tx = 0\n", ""), "printer.tx", [0, 12, 28], None),
        (change(PICO, "tx = 4\n", ""), "scanner.tx", [4, 8], None),
        (change(PICO, "cts = 2 ", "cts = true "), "printer.cts", [2, 14], None),
        (
            change(PICO, "kick = [17]", 'kick = ["GP17"]'),
            "drawer.kick[0]",
            None,
            "A pin is its number alone: 17 for 'GP17'.",
        ),
        (change(PICO, "kick = [17]", 'kick = "GP17"'), "drawer.kick", None, "Write [17]."),
        (change(PICO, "kick = [17]", "kick = []"), "drawer.kick", None, None),
        (change(ESP32, "switch = 4", "switch = 4.0"), "drawer.switch", [4, 13, 26, 27], None),
        (change(S3, "red = 39", "red = 300"), "indicator.red", None, None),
        (change(S3, "pin = 1 ", 'pin = "IO1" '), "safe_mode.pin", None, "A pin is its number alone: 1 for 'IO1'."),
    ],
)
def test_a_pin_of_the_wrong_kind_or_a_missing_one_comes_with_those_that_would_do(
    text: str, key: str, pins: list[int] | None, remedy: str | None
) -> None:
    found = only(text, key)
    assert found.pins
    assert pins is None or found.pins == pins
    assert (found.remedy.en if found.remedy else None) == remedy


def test_no_pin_would_do_for_a_third_drawer() -> None:
    found = only(change(PICO, "kick = [17]", "kick = [17, 21, 26]"), "drawer.kick")
    assert ("length <= 2" in found.reason.en, found.pins) == (True, [])


def test_while_no_uart_is_chosen_the_pins_of_each_would_do() -> None:
    found = {each.key: each for each in findings(change(change(PICO, "uart = 1\n", ""), "tx = 4\n", ""))}
    assert set(found) == {"scanner.uart", "scanner.tx"}
    assert found["scanner.tx"].pins == [4, 8, 12, 28]


def test_a_pin_of_a_chip_that_nobody_knows_comes_without_any() -> None:
    found = findings(change(PICO, '"rp2040"', '"z80"').replace("tx = 0", 'tx = "GP0"'))
    assert [(each.key, each.pins) for each in found] == [("chip", []), ("printer.tx", [])]


def test_every_unknown_key_is_named_with_the_one_that_was_meant() -> None:
    found = findings(PICO.replace("baud_rate", "baudrate"))
    unknown = {each.key: each.remedy.en for each in found if each.remedy}
    assert unknown == {"printer.baudrate": "Did you mean baud_rate?", "scanner.baudrate": "Did you mean baud_rate?"}


def test_an_unknown_section_is_an_error() -> None:
    assert "no such key" in only(PICO + "\n[wifi]\nname = 'x'\n", "wifi").reason.en


@given(st.text(max_size=300))
def test_no_text_breaks_the_checker(text: str) -> None:
    board, found = check(BoardFile("x.toml", text))
    assert board is not None or found


_SCALARS = (
    st.integers() | st.text(max_size=5) | st.booleans() | st.floats() | st.none() | st.lists(st.integers(), max_size=3)
)


@settings(max_examples=200)
@given(data=st.data())
def test_no_value_anywhere_breaks_the_checker(data: st.DataObject) -> None:
    document = tomllib.loads(data.draw(st.sampled_from([PICO, PICO_2, ESP32, S3])))
    section = data.draw(st.sampled_from(sorted(document)))
    value = data.draw(_SCALARS | st.dictionaries(st.text(max_size=5), st.integers(), max_size=2))
    if isinstance(document[section], dict) and data.draw(st.booleans()):
        document[section][data.draw(st.sampled_from(sorted(document[section])))] = value
    else:
        document[section] = value
    board, found = check(BoardFile("x.toml", _toml(document)))
    assert board is not None or found


@settings(max_examples=60)
@given(name=st.sampled_from(["pico", "pico_2_w", "esp32_devkitc", "esp32_s3_devkitc"]), data=st.data())
def test_the_pins_that_are_offered_really_do(name: str, data: st.DataObject) -> None:
    """Whatever pin is wrong: putting an offered one in its place leaves no error about that key."""
    document = tomllib.loads(files.read(name).text)
    section, key = data.draw(
        st.sampled_from(
            [("printer", "tx"), ("printer", "rx"), ("scanner", "tx"), ("drawer", "switch"), ("indicator", "red")]
        )
    )
    document[section][key] = data.draw(st.integers(0, 60))
    where = f"{section}.{key}"
    wrong = [each for each in check(BoardFile("x.toml", _toml(document)))[1] if each.key == where]
    for finding in wrong:
        for pin in finding.pins:
            document[section][key] = pin
            assert [each for each in check(BoardFile("x.toml", _toml(document)))[1] if each.key == where] == []


def _toml(document: dict[str, Any]) -> str:
    """Enough of a TOML writer for one level of tables. What TOML can't say (None) is written as text."""

    def value(given: Any) -> str:
        if isinstance(given, bool):
            return str(given).lower()
        if isinstance(given, (int, float)):
            return str(given)
        if isinstance(given, list):
            return "[" + ", ".join(map(value, given)) + "]"
        return (
            '"'
            + "".join(f"\\U{ord(each):08X}" if not 0xD800 <= ord(each) < 0xE000 else "?" for each in str(given))
            + '"'
        )

    top = [f"{key} = {value(each)}" for key, each in document.items() if not isinstance(each, dict)]
    for key, table in document.items():
        if isinstance(table, dict):
            top += [f"[{key}]", *(f"{value(name)} = {value(each)}" for name, each in table.items())]
    return "\n".join(top) + "\n"


# --- the tables themselves


@pytest.mark.parametrize("port", MODELS)
def test_a_header_names_each_pin_once_and_only_gpios_of_its_chip(port: str) -> None:
    model = MODELS[port]
    gpios = [pin.gpio for pin in model.header() if pin.gpio is not None]
    numbers = [pin.number for pin in model.header()]
    assert len(gpios) == len(set(gpios))
    assert len(numbers) == len(set(numbers))
    assert set(gpios) <= CHIPS[model.chip].gpios
    assert len(model.left) == len(model.right)
    assert any(pin.label == "GND" for pin in model.header())


@pytest.mark.parametrize("name", files.shipped())
def test_the_uses_of_a_board_are_its_pins(name: str) -> None:
    text = files.read(name).text
    board = files.parse(text)
    kick = tomllib.loads(text)["drawer"]["kick"]
    given_away = [use.gpio for use in uses(board)]
    assert set(kick) <= set(given_away)
    assert len(given_away) == len(set(given_away))


# --- the scanner's trigger


def with_trigger(lines: str) -> str:
    return change(PICO, "[drawer]\n", "[drawer]\n").replace("# sense = 6 ", f"{lines}\n# sense = 6 ", 1)


def test_a_trigger_line_needs_its_pin_and_those_that_would_do_are_named() -> None:
    found = only(with_trigger('trigger = "pin"'), "scanner.trigger_pin")
    assert found.severity == "error"
    assert 6 in found.pins


def test_a_trigger_by_commands_has_no_pin() -> None:
    found = only(with_trigger('trigger = "gm65"\ntrigger_pin = 6'), "scanner.trigger_pin")
    assert 'with trigger = "gm65" no pin is driven' in found.reason.en


def test_a_trigger_line_is_a_pin_like_any_other() -> None:
    ttl = change(with_trigger('trigger = "pin"\ntrigger_pin = 6'), 'scanner = "rs232"', 'scanner = "ttl"')
    assert findings(ttl) == []
    assert only(change(ttl, "trigger_pin = 6", "trigger_pin = 17"), "drawer.kick[0]").reason.en


def test_an_rs232_scanner_has_no_trigger_line() -> None:
    found = only(with_trigger('trigger = "pin"\ntrigger_pin = 6'), "scanner.trigger")
    assert found.severity == "warning"


@pytest.mark.parametrize("trigger", ["none", "serial_syn", "gm65"])
def test_each_kind_of_trigger_is_known(trigger: str) -> None:
    assert findings(with_trigger(f'trigger = "{trigger}"\nbanner = "Newland"')) == []


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('trigger = "button"', "scanner.trigger"),
        ('banner = "x"', "scanner.banner"),
        ("trigger_on_level = 2", "scanner.trigger_on_level"),
    ],
)
def test_a_wrong_trigger_names_its_key(line: str, key: str) -> None:
    assert only(with_trigger(line), key).severity == "error"
