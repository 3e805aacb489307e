"""A wrong setting is refused with its line, what was expected, and what may have been meant."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge import config
from host_bridge.address import Address
from host_bridge.config import Config, load
from host_bridge.toml_document import MAX_FILE_BYTES, ConfigError

ROOT = Path(__file__).resolve().parents[1]


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "counterhub.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(folder: Path, text: str | bytes) -> ConfigError:
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.source == str(path)
    return caught.value


def test_without_a_file_everything_has_a_default():
    assert load(None) == Config()
    assert load(None).http.address == Address("127.0.0.1", 9180)
    assert load(None).raw.address == Address("127.0.0.1", 9100)
    assert load(None).state_path.is_absolute() and load(None).state_path.name == "counterhub"
    assert (load(None).drawer.time_to_live_ms, load(None).scanner.expire_ms) == (2000, 10_000)


def test_the_defaults_themselves_pass_the_checks():
    for section in msgspec.structs.fields(Config):
        if section.name == "hubs":
            continue  # there are none
        value = getattr(Config(), section.name)
        settings = {section.name: value}
        if isinstance(value, msgspec.Struct):
            plain = msgspec.to_builtins(value)
            settings = {f"{section.name}.{key}": inner for key, inner in plain.items() if inner is not None}
        assert load(None, settings) == Config()


def test_a_file_holds_only_what_differs(tmp_path):
    text = """
    state_dir = '~/till'
    [hub]
    port = 'COM5'
    recover = ["reopen", "dtr_rts"]
    [http]
    listen = "[::1]:80"
    allowed_origins = ["https://pos.example.com", "http://till:8069"]
    [journal]
    max_age_days = 7
    [virtual]
    print_speed_mm_per_s = 75
    """
    loaded = load(write(tmp_path, text))
    assert loaded.hub == config.Hub(port="COM5", recover=("reopen", "dtr_rts"))
    assert loaded.http.address == Address("::1", 80)
    assert loaded.http.allowed_origins == ("https://pos.example.com", "http://till:8069")
    assert loaded.journal.max_age_days == 7
    assert loaded.virtual.print_speed_mm_per_s == 75.0
    assert loaded.state_path == Path.home() / "till"
    assert loaded.printer == config.Printer()


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "[hub]\n", "\ufeff[hub]\r\nport='COM5'\r\n"])
def test_an_empty_file_and_one_written_by_notepad_are_fine(tmp_path, text):
    load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[hub]\nprot = 'COM5'", 2, ["unknown key hub.prot", "did you mean hub.port?"]),
        ("[hub]\n\n# the speed\nbaud-rate = 9600", 4, ["unknown key hub.baud-rate", "hub.baud_rate?"]),
        ("[hubb]\nport = 'COM5'", 1, ["unknown section or key hubb", "did you mean hub?"]),
        ("\nlisten = '127.0.0.1:9180'", 2, ["unknown section or key listen", "http.listen or raw.listen?"]),
        ("[drawer]\nlisten = 'x'", 2, ["drawer.listen", "did you mean http.listen or raw.listen?"]),
        ("[drawer]\nzzzzzz = 1", 2, ["known here: time_to_live_ms, on_ms"]),
        ("[http]\nlisten = 9180", 2, ["http.listen: expected a text, got the number 9180"]),
        ("[raw]\nenabled = 'yes'", 2, ["raw.enabled: expected true or false, got the text 'yes'"]),
        ("[raw]\nenabled = 1", 2, ["expected true or false, got the number 1"]),
        ("[raw]\nmax_clients = true", 2, ["expected a whole number from 1 to 1000, got true"]),
        ("[raw]\nmax_clients = 0", 2, ["expected a whole number from 1 to 1000, got the number 0"]),
        ("[raw]\nmax_clients = 1.5", 2, ["expected a whole number", "1.5"]),
        ("[drawer]\non_ms = 511", 2, ["from 20 to 510, got the number 511"]),
        ("[virtual]\nprint_speed_mm_per_s = nan", 2, ["expected a number above 0", "nan"]),
        ("[virtual]\nprint_speed_mm_per_s = inf", 2, ["expected a number above 0", "inf"]),
        ("[printer]\nconfirm = 'maybe'", 2, ['expected "auto" or "process_id" or "gs_r" or "none"', "'maybe'"]),
        ("[hub]\nrecover = 'reopen'", 2, ["hub.recover: expected a list of", "got the text"]),
        ("[hub]\nrecover = ['reopen', 'reopen']", 2, ["each at most once"]),
        ("[hub]\nrecover = [\n 'reopen',\n 'pray',\n]", 2, ["hub.recover", "'pray'"]),
        ("[hub]\nport = ''", 2, ["hub.port", "it is empty"]),
        ("[hub]\nbackup_port = 'auto'", 2, ["hub.backup_port", "never the second"]),
        ("[hub]\nport = 'COM5'\nbackup_port = 'COM5'", 3, ["both COM5", "another port"]),
        ("[hub]\nreset_line = 'D17'", 2, ["recover", "go together"]),
        ("[hub]\nrecover = ['reset_line']", None, ["reset_line", "go together"]),
        ("[hub]\nreset_line_ms = 0", 2, ["hub.reset_line_ms", "from 1 to 1000"]),
        ("[hub]\nport = 2024-01-01", 2, ["the date"]),
        ("hub = 1", 1, ["hub is a section: expected [hub], got the number 1"]),
        ("[[hub]]\nport = 'x'", 1, ["expected [hub], got the list"]),
        ("hub = { port = 'x', prot = 'y' }", 1, ["hub.prot"]),
        ("state_dir = 'x'\nhub.prot = 'y'", 2, ["hub.prot"]),
        ("[hub]\n'p\\u0072ot' = 'x'", 2, ["hub.p"]),
        ("[log]\nfile = '''\n[hub]\nprot = 1\n'''\nlevel = 'loud'", 6, ["log.level"]),
        ("[hub]\nport = 'a'\n[hub.sub]\nx = 1", 3, ["unknown key hub.sub"]),
        ("[http]\nlisten = ':9180'", 2, ["expected HOST:PORT", 'no HOST:PORT in ":9180"']),
        ("[http]\nallowed_origins = ['https://a.example', '*']", 2, ["expected origins", "'*'"]),
        ("[http]\nallowed_origins = ['https://a.example/']", 2, ["without a path"]),
        ("[http]\nallowed_origins = ['null']", 2, ["expected origins", "'null'"]),
        ("[http]\nallowed_hosts = ['*']", 2, ["expected host names", "'*'"]),
        ("[raw]\n\nlisten = '127.0.0.1:9180'", 3, ["raw.listen and http.listen are both 127.0.0.1:9180"]),
        ("[printer]\nmax_queued_bytes = 1024", 2, ["no room for one job", "16777216"]),
        ("[journal]\nmax_bytes = 33554432", None, ["printer.max_queued_bytes", "journal.max_bytes (33554432)"]),
        ("[hub]\nport = 'x'\nport = 'y'", 3, ["not TOML"]),
        ("[hub]\nport = COM5", 2, ["not TOML"]),
        ("[hub\n", 1, ["not TOML"]),
        ("a = '''\n\n", 3, ["not TOML"]),
        ('[hub]\nport = "\\\\.\\COM10"', 2, ["not TOML", "single quotes"]),
        (b"[hub]\nport = 'x'\n# \xff\xfe", 3, ["not UTF-8"]),
        ("[hub]\nport = 'x'".encode("utf-16"), 1, ["not UTF-8"]),
        (b"#" * (MAX_FILE_BYTES + 1), None, ["larger than"]),
    ],
)
def test_a_wrong_setting_is_named_with_its_line_and_what_was_expected(tmp_path, text, line, words):
    error = refused(tmp_path, text)
    assert error.line == line, error
    for word in words:
        assert word in str(error)
    if line is not None:
        assert f"counterhub.toml, line {line}: " in str(error)


def test_a_value_is_not_shown_at_full_length(tmp_path):
    assert len(str(refused(tmp_path, f"[raw]\nenabled = '{'x' * 10_000}'"))) < 400


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.toml: can't be read: No such file"):
        load(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path)


def test_the_line_is_found_quickly_in_a_large_file(tmp_path):
    text = "# a long story\n" * 8000 + "[hub]\n" + "\n" * 2000 + "prot = 'x'\n" + "# and on\n" * 5000
    assert refused(tmp_path, text).line == 10_002


def test_the_command_line_wins_over_the_file(tmp_path):
    path = write(tmp_path, "[http]\nlisten = '127.0.0.1:1'\nallowed_hosts = ['till']")
    loaded = load(path, {"http.listen": "127.0.0.1:2", "virtual.enabled": True, "state_dir": str(tmp_path)})
    assert loaded.http == config.Http(listen="127.0.0.1:2", allowed_hosts=("till",))
    assert loaded.virtual.enabled and loaded.state_path == tmp_path


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("http.listen", "9180", "the command line: http.listen: expected HOST:PORT"),
        ("http.lisen", "x", "did you mean http.listen"),
        ("http", "x", "http is no key: expected SECTION.KEY"),
        ("http.listen.x", "x", "is no key"),
        ("", "x", "unknown section or key"),
        ("virtual.enabled", "true", "expected true or false, got the text 'true'"),
    ],
)
def test_a_wrong_override_is_refused_too(name, value, words):
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")) as caught:
        load(None, {name: value})
    assert caught.value.line is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9180", "127.0.0.1", 9180),
        (" 0.0.0.0:0 ", "0.0.0.0", 0),
        ("[::1]:9100", "::1", 9100),
        ("[2001:DB8:0::1]:65535", "2001:db8::1", 65535),
        ("till-1.lan:80", "till-1.lan", 80),
        ("localhost:1", "localhost", 1),
    ],
)
def test_an_address_is_a_host_and_a_port(text, host, port):
    assert Address.parse(text) == Address(host, port)
    assert Address.parse(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "9180", ":9180", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8O"),
        *("::1:9180", "[::1]", "[::1:9180", "[zz]:1", "256.0.0.1:1", "1.2.3:1", "a b:1", "a..b:1", "-:1", "http://x:1"),
        *("127.0.0.1:٩", "127.0.0.1:" + "9" * 5000, "x" * 300 + ":1", "host/path:1", "\x00:1"),
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Address.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text):
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address


@given(st.text(st.sampled_from("[]hubportlisten=.'\"\\\n #1{},-"), max_size=80))
def test_any_file_is_a_configuration_or_a_config_error(tmp_path_factory, text):
    path = write(tmp_path_factory.getbasetemp(), text)
    try:
        loaded = load(path)
    except ConfigError as error:
        assert error.line is None or 1 <= error.line <= text.count("\n") + 1
    else:
        assert isinstance(loaded, Config)


def test_the_page_is_what_the_code_describes():
    """Run `python -m host_bridge.config > docs/configuration.md`."""
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == config.describe()


def test_the_page_is_written_by_the_command_it_names():
    done = subprocess.run([sys.executable, "-m", "host_bridge.config"], cwd=ROOT, capture_output=True, timeout=30)
    assert done.stdout == config.describe().encode() and not done.stderr


def test_every_key_is_described_with_its_default():
    page = config.describe()
    for section in msgspec.structs.fields(Config):
        for field in msgspec.structs.fields(section.type) if section.name not in ("state_dir", "hubs") else ():
            [row] = [
                line
                for line in page.split(f"## `[{section.name}]`")[1].split("## ")[0].splitlines()
                if line.startswith(f"| `{field.name}` |")
            ]
            assert all(cell.strip() for cell in row.strip("|").split("|")) and row.count("|") == 5


def test_the_example_on_the_page_can_be_loaded(tmp_path):
    example = config.describe().split("```toml\n")[1].split("```")[0]
    tomllib.loads(example)
    assert load(write(tmp_path, example)).hub.port == "/dev/ttyACM0"


SEVERAL = """
[hubs.till-1]
id = "E66141041B5C2F27"
raw_listen = "127.0.0.1:9100"
[hubs.till-2]
port = "COM5"
baud_rate = 9600
"""


def test_several_hubs_have_names_folders_and_printer_addresses_of_their_own(tmp_path):
    loaded = load(write(tmp_path, f"state_dir = '/var/counterhub'\n{SEVERAL}"))
    first, second = loaded.places()
    assert (first.name, first.hub.id, first.raw) == ("till-1", "E66141041B5C2F27", Address("127.0.0.1", 9100))
    assert (second.name, second.hub.port, second.hub.baud_rate, second.raw) == ("till-2", "COM5", 9600, None)
    assert first.state_path == Path("/var/counterhub/hubs/till-1") != second.state_path
    assert loaded.several


def test_one_hub_is_served_as_ever(tmp_path):
    (only,) = load(write(tmp_path, "state_dir = '/var/counterhub'\n[hub]\nport = 'COM5'")).places()
    assert (only.name, only.hub.port, only.state_path) == ("hub", "COM5", Path("/var/counterhub"))
    assert only.raw == Address("127.0.0.1", 9100)


def test_virtual_hubs_print_at_ports_that_follow():
    hubs = load(None, {"virtual.enabled": True, "virtual.hubs": 3}).places()
    assert [(each.name, str(each.raw)) for each in hubs] == [
        ("hub1", "127.0.0.1:9100"),
        ("hub2", "127.0.0.1:9101"),
        ("hub3", "127.0.0.1:9102"),
    ]
    free = load(None, {"virtual.enabled": True, "virtual.hubs": 2, "raw.listen": "127.0.0.1:0"}).places()
    assert [str(each.raw) for each in free] == ["127.0.0.1:0"] * 2
    assert load(None, {"virtual.hubs": 2}).places()[0].name == "hub"  # of virtual hubs only


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[hub]\nport = 'COM5'\n[hubs.a]\nport = 'COM6'", 1, ["[hub] is for one hub", "[hubs.NAME]"]),
        ("[hub]\n[hubs.a]\nport = 'COM6'", 1, ["[hub] is for one hub"]),
        ("[hubs]\nport = 'COM6'", 2, ["expected a table [hubs.NAME]", "one hub has [hub]"]),
        ("hubs = 2", 1, ["a table for each hub"]),
        ("[hubs.Till1]\nport = 'COM6'", 1, ["all lower case", "'Till1'"]),
        ("[hubs.'']\nport = 'COM6'", 1, ["a letter, then"]),
        ("[hubs.'../x']\nport = 'COM6'", 1, ["a letter, then"]),
        ("[hubs.e66141041b5c2f27]\nport = 'COM6'", 1, ["15 at most"]),
        ("[hubs.com1]\nport = 'COM6'", 1, ["a device on Windows"]),
        ("[hubs.a]\nprot = 'COM6'", 2, ["hubs.a.prot", "did you mean hubs.a.port?"]),
        ("[hubs.a]\nid = 'e661'", 2, ["16 hex digits", "'e661'"]),
        ("[hubs.a]\nraw_listen = '9100'", 2, ["hubs.a.raw_listen: expected HOST:PORT"]),
        ("[hubs.a]\nraw_listen = '127.0.0.1:9100'", 1, ["its id or its port", "ports --ask"]),
        ("[hubs.a]\nport = 'x'\n[hubs.b]\nport = 'x'", 4, ["hubs.b.port and hubs.a.port are both x"]),
        (
            "[hubs.a]\nid = 'E66141041B5C2F27'\n[hubs.b]\nid = 'e66141041b5c2f27'",
            4,
            ["hubs.b.id and hubs.a.id are both e66141041b5c2f27"],
        ),
        (
            "[hubs.a]\nport='x'\nraw_listen='127.0.0.1:9100'\n[hubs.b]\nport='y'\nraw_listen='127.0.0.1:9100'",
            6,
            ["hubs.b.raw_listen and hubs.a.raw_listen are both 127.0.0.1:9100"],
        ),
        ("[hubs.a]\nport='x'\nraw_listen='127.0.0.1:9180'", 3, ["raw_listen and http.listen are both"]),
        ("[raw]\nlisten='127.0.0.1:9100'\n[hubs.a]\nport='x'", 2, ["raw.listen is for one hub", "raw_listen"]),
        ("[virtual]\nhubs=2\n[hubs.a]\nport='x'", 2, ["virtual.hubs", "[hubs.NAME]"]),
        ("\n".join(f"[hubs.a{n}]\nport='p{n}'" for n in range(33)), 1, ["at most 32 hubs, got 33"]),
    ],
)
def test_what_only_several_hubs_can_get_wrong_is_named(tmp_path, text, line, words):
    error = refused(tmp_path, text)
    assert error.line == line, error
    for word in words:
        assert word in str(error)


def test_the_command_line_can_not_name_one_port_for_several_hubs(tmp_path):
    with pytest.raises(ConfigError, match="one hub"):
        load(write(tmp_path, SEVERAL), {"hub.port": "COM7"})


def test_the_example_with_several_hubs_can_be_loaded(tmp_path):
    example = config.describe().split("## `[hubs.NAME]`")[1].split("```toml\n")[1].split("```")[0]
    assert [each.name for each in load(write(tmp_path, example)).places()] == ["till-1", "till-2"]
