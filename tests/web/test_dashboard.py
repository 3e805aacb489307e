"""The page's files keep their promises without a browser: texts, ids, policy, bytes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "host_bridge" / "web"
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(WEB.glob("*.js"))}
HTML = (WEB / "index.html").read_text(encoding="utf-8")
STYLE = (WEB / "style.css").read_text(encoding="utf-8")
NODE_DEADLINE_S = 30
XML_NAMESPACE = "http://www.w3.org/2000/svg"

ENTRY = re.compile(r'^  ("(?:[^"\\]|\\.)+"): (\[.*\]),$', re.MULTILINE)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
HAN = re.compile(r"[\u4e00-\u9fff]")
BROKEN_NAMES = (
    "cable",
    "hub_power",
    "printer_power",
    "paper_end",
    "paper_near_end",
    "cover_open",
    "cutter",
    "drawer_stuck",
    "scanner_unplugged",
)
# The same in both languages because the field has one name for it.
SAME_IN_BOTH = re.compile(r"symbology\.|size\.kilobytes|break\.set")


def texts() -> dict[str, list[str]]:
    table = SCRIPTS["text.js"].split("const TEXTS = {", 1)[1].split("\n};", 1)[0]
    found = {json.loads(key): json.loads(value) for key, value in ENTRY.findall(table)}
    entries = [line for line in table.splitlines() if line.strip()]
    assert len(entries) == len(found), "each text stands on a line of its own, and no key stands twice"
    return found


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline_script = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline_script += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


@pytest.fixture(scope="module")
def page() -> Elements:
    parser = Elements()
    parser.feed(HTML)
    return parser


def node(script: str) -> object:
    """Run a module of the page under Node and return what it prints as JSON."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed: the page's modules are not run here")
    program = f"import {{ pathToFileURL }} from 'node:url';\n{script}"
    program = re.sub(r"from '\./(\w+\.js)'", lambda match: f"from {json.dumps((WEB / match[1]).as_uri())}", program)
    done = subprocess.run(
        [path, "--input-type=module", "--no-warnings", "-e", program],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=NODE_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Texts


def test_every_text_is_there_in_both_languages() -> None:
    for key, pair in texts().items():
        assert len(pair) == 2 and all(text.strip() for text in pair), key
        english, chinese = pair
        assert not HAN.search(english), f"{key}: Chinese in the English text"
        assert HAN.search(chinese) or SAME_IN_BOTH.match(key), f"{key}: no Chinese in the Chinese text"


def test_both_languages_fill_in_the_same_values() -> None:
    for key, (english, chinese) in texts().items():
        assert set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(chinese)), key


def test_every_text_that_is_asked_for_exists(page: Elements) -> None:
    known = texts()
    asked = {
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("data-t", "data-t-label", "data-t-placeholder")
    }
    for name, script in SCRIPTS.items():
        for key in re.findall(r'\bt\("([^"]+)"', script):
            asked.add(key)
        for prefix in re.findall(r"\bt\(`([^`$]+)\$\{", script):
            assert any(key.startswith(prefix) for key in known), f"{name}: no text begins with {prefix}"
    assert {key for key in asked if key not in known} == set()


def test_every_state_and_every_breakable_thing_has_its_words() -> None:
    known = texts()
    for state in ("queued", "sending", "printed", "unconfirmed", "failed", "cancelled"):
        assert f"job.{state}" in known and f"job.{state}_means" in known
    for state in ("waiting", "delivered", "expired"):
        assert f"scan.{state}" in known
    for state in ("requested", "opened", "unverified", "failed"):
        assert f"kick.{state}" in known
    for name in BROKEN_NAMES:
        assert {f"break.{name}", f"break.{name}.on", f"break.{name}.off"} <= set(known)


def test_no_text_is_left_over() -> None:
    everything = HTML + "".join(SCRIPTS.values())
    prefixes = set(re.findall(r"`([a-z_.]+)\.\$\{", everything))
    prefixes |= set(re.findall(r'codeText\("([^"]+)"', everything))
    unused = [
        key
        for key in texts()
        if everything.count(f'"{key}"') < 2 and not any(key.startswith(f"{prefix}.") for prefix in prefixes)
    ]
    assert unused == []


# Structure


def test_every_id_that_a_script_asks_for_is_in_the_page(page: Elements) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id stands once"
    for name, script in SCRIPTS.items():
        for wanted in re.findall(r'byId\("([^"]+)"\)', script):
            assert wanted in ids, f"{name} asks for #{wanted}"


def test_every_label_points_at_something(page: Elements) -> None:
    ids = {attributes.get("id") for _, attributes in page.elements}
    for tag, attributes in page.elements:
        for name in ("for", "aria-labelledby"):
            if name in attributes:
                assert attributes[name] in ids, f"<{tag} {name}={attributes[name]!r}>"


def test_every_module_that_is_imported_exists_and_is_used() -> None:
    imported = {"app.js"}
    for script in SCRIPTS.values():
        imported |= set(re.findall(r'from "\./([\w.]+)"', script))
    assert imported == set(SCRIPTS)
    assert 'src="app.js"' in HTML


def test_a_strict_content_policy_has_nothing_to_refuse(page: Elements) -> None:
    assert page.inline_script == ""
    for tag, attributes in page.elements:
        assert tag != "style"
        assert not any(name == "style" or name.startswith("on") for name in attributes), f"<{tag}> {attributes}"
    for name, script in SCRIPTS.items():
        for word in ("eval(", "new Function", 'setAttribute("style"', "cssText", "javascript:"):
            assert word not in script, f"{name}: {word}"
        assert not re.search(r"\bstyle: [\"'`]", script), f"{name}: a style attribute"


def test_nothing_comes_from_elsewhere() -> None:
    address = re.compile(r"https?://[^\s\"'`)]+|url\(|@import|//cdn")
    allowed = {XML_NAMESPACE, "https://shop.example/m/7K3Q-2041", "https://shop.example/receipt"}
    for name, text in {**SCRIPTS, "index.html": HTML, "style.css": STYLE}.items():
        assert set(address.findall(text)) <= allowed, name


def test_text_from_outside_never_becomes_markup() -> None:
    for name, script in SCRIPTS.items():
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
        ):
            assert word not in script, f"{name}: {word}"


def test_the_files_are_ones_that_the_bridge_serves() -> None:
    assert {path.suffix for path in WEB.iterdir() if not path.name.startswith("_")} <= {".html", ".css", ".js", ".svg"}


# Behaviour that needs no browser


def test_barcodes_on_the_shelf_have_right_check_digits_but_one() -> None:
    products = node("import { PRODUCTS } from './products.js'; console.log(JSON.stringify(PRODUCTS));")
    assert isinstance(products, list)

    def right(digits: str) -> bool:
        return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(reversed(digits))) % 10 == 0

    eans = {product["name"]: product["data"] for product in products if re.fullmatch(r"\d{13}", product["data"])}
    assert [name for name, digits in eans.items() if not right(digits)] == ["smudged"]
    assert all(digits.startswith("2") for digits in eans.values()), "numbers for use inside a shop"
    cheese = next(product["data"] for product in products if product["symbology"] == "]C1")
    assert right(cheese[2:16])
    assert "]Q1" in {product["symbology"] for product in products}


def test_the_bars_on_the_shelf_read_as_their_number() -> None:
    import zxingcpp
    from PIL import Image

    bars = node(
        "import { PRODUCTS, eanModules } from './products.js';"
        "const eans = PRODUCTS.filter((one) => one.symbology === ']E0' && one.name !== 'smudged');"
        "console.log(JSON.stringify(eans.map((one) => [one.data, eanModules(one.data)])));"
    )
    assert isinstance(bars, list) and len(bars) >= 4
    for data, modules in bars:
        row = bytes(0 if bit == "1" else 255 for bit in "0" * 12 + modules + "0" * 12)
        picture = Image.frombytes("L", (len(row), 1), row).resize((len(row) * 3, 90), Image.Resampling.NEAREST)
        assert [result.text for result in zxingcpp.read_barcodes(picture)] == [data]


def test_chinese_on_sample_receipts_is_what_the_comments_say() -> None:
    pairs = re.findall(r'"([0-9a-f]{6,})"[^"]*// (.+)$', SCRIPTS["samples.js"] + SCRIPTS["products.js"], re.MULTILINE)
    assert len(pairs) >= 12
    for digits, text in pairs:
        assert bytes.fromhex(digits).decode("gb18030") == text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_sample_receipts_are_whole_escpos_commands_that_end_in_a_cut(language: str) -> None:
    from host_bridge.escpos.commands import CommandParser

    data = node(
        "import { PRODUCTS } from './products.js'; import { receiptBytes } from './samples.js';"
        "const items = PRODUCTS.filter((one) => one.receipt).map((one) => ({ ...one, count: 2 }));"
        f"console.log(JSON.stringify([...receiptBytes('{language}', items, 1234567890123)]));"
    )
    assert isinstance(data, list)
    parser = CommandParser()
    commands = parser.feed(bytes(data))
    names = [command.name for command in commands]
    assert parser.missing_bytes == 0 and parser.pending == b""
    assert "unknown" not in names
    assert names[0] == "ESC @" and names[-1] == "GS V"
    assert {"ESC E", "GS !", "GS k", "GS ( k"} <= set(names)
    if language == "zh":
        assert "青禾便利店".encode("gb18030") in bytes(data)


def test_every_list_that_the_page_keeps_is_bounded() -> None:
    counts = node(
        """
        import { apply, initialModel, LIMITS } from './state.js';
        let model = apply(initialModel(), { type: "state", state: { faults: [], devices: {}, link: {} } });
        for (let n = 1; n <= 500; n += 1) {
          model = apply(model, { type: "scan", sequence: n, data: "x".repeat(9000), read_at: "2026-01-01T00:00:00Z" });
          const job = { job_id: String(n), state: "queued", created_at: n, updated_at: n };
          model = apply(model, { type: "job", job });
          model = apply(model, { type: "fault", active: true, fault: { code: String(n), severity: "error" } });
          model = apply(model, { type: "virtual_fault", fault: String(n), active: true });
        }
        const receipts = Array.from({ length: 500 }, (_, n) => ({ n: n + 1 }));
        model = apply(model, { type: "receipts_loaded", receipts });
        console.log(JSON.stringify({
          limits: LIMITS, scans: model.scans.length, jobs: model.jobs.length, faults: model.state.faults.length,
          receipts: model.receipts.length, flags: Object.keys(model.virtualFaults).length,
          longest: model.scans[0].data.length,
          newest: [model.scans[0].sequence, model.jobs[0].job_id, model.receipts[0].n],
        }));
        """
    )
    assert isinstance(counts, dict)
    limits = counts["limits"]
    assert counts["scans"] == limits["scans"]
    assert counts["jobs"] == limits["jobs"]
    assert counts["faults"] == limits["faults"]
    assert counts["receipts"] == limits["receipts"]
    assert counts["flags"] == limits["virtualFaults"]
    assert counts["longest"] == limits["dataCharacters"]
    assert counts["newest"] == [500, "500", 500]


def test_messages_nobody_knows_and_events_before_the_state_change_nothing() -> None:
    same = node(
        """
        import { apply, initialModel } from './state.js';
        const start = initialModel();
        const strange = ["toString", "__proto__", "constructor", "future"].map((type) => apply(start, { type }));
        apply(start, { type: "printer", printer: {} });
        apply(start, { type: "fault", active: true, fault: { code: "x" } });
        console.log(JSON.stringify(strange.every((model) => model === start)));
        """
    )
    assert same is True


def test_a_list_asked_for_earlier_does_not_undo_a_later_event() -> None:
    states = node(
        """
        import { apply, initialModel } from './state.js';
        const job = (state, updated) => ({ job_id: "a", state, created_at: 1, updated_at: updated });
        let model = apply(initialModel(), { type: "job", job: job("printed", 3) });
        model = apply(model, { type: "jobs_loaded", jobs: [job("queued", 1)] });
        model = apply(model, { type: "scan", sequence: 9, data: "new", read_at: 1 });
        const old = { sequence: 8, data: "old", read_at: 1, state: "expired" };
        model = apply(model, { type: "scans_loaded", scans: [old] });
        console.log(JSON.stringify([model.jobs[0].state, model.scans.map((scan) => scan.sequence)]));
        """
    )
    assert states == ["printed", [9, 8]]


def test_control_characters_in_a_scan_are_shown_by_name() -> None:
    runs = node(
        r"""
        import { visibleRuns } from './dom.js';
        const word = (run) => (run.control ? `[${run.text}]` : run.text);
        const shown = (text, limit) => visibleRuns(text, limit).map(word).join("");
        console.log(JSON.stringify([
          shown("01\u001d10\u0000\u007f\u0085", 99), shown("a\u202eb\u200bc\ufeff", 99), shown("<img onerror=x>", 99),
          shown("x".repeat(5000), 90).length, shown("", 9), shown("\u{1f600}".repeat(20), 3),
        ]));
        """
    )
    assert runs == [
        "01[GS]10[NUL][DEL][U+0085]",
        "a[U+202E]b[U+200B]c[U+FEFF]",
        "<img onerror=x>",
        90,
        "",
        "\U0001f600" * 3,
    ]


def test_the_lamp_takes_any_pattern_and_names_it() -> None:
    seen = node(
        """
        import { stepsOf, stepAt, rhythmOf, colourKey, colourOf } from './light.js';
        const flash = [{ colour: "#ff0000", ms: 100 }, { colour: "#000000", ms: 100 }];
        const steps = stepsOf({ steps: [...flash, ...flash, { colour: "#000000", ms: 700 }] });
        console.log(JSON.stringify([
          rhythmOf(steps), stepAt(steps, 50), stepAt(steps, 950), stepAt(steps, 1100 + 250),
          rhythmOf(stepsOf({ steps: [{ colour: "#00FF00", ms: 1 }] })).kind, rhythmOf([]).kind,
          rhythmOf(stepsOf({ steps: [{ colour: "#00ff00", ms: 900 }, { colour: "#ffa000", ms: 90 }] })).kind,
          stepsOf({ steps: [{ colour: "red;}", ms: "x" }] }), stepsOf({ steps: Array(900).fill(flash[0]) }).length,
          ["#ff2010", "#00c040", "#2040ff", "#ffa000", "#ffffff", "#000000"].map(colourKey), colourOf(7),
        ]));
        """
    )
    assert seen == [
        {"kind": "flashes", "colour": "#ff0000", "count": 2},
        {"colour": "#ff0000", "forMs": 50},
        {"colour": "#000000", "forMs": 150},
        {"colour": "#ff0000", "forMs": 50},
        "steady",
        "dark",
        "turns",
        [{"colour": "#000000", "ms": 20}],
        64,
        ["colour.red", "colour.green", "colour.blue", "colour.amber", "colour.white", "colour.dark"],
        "#000000",
    ]


def test_trying_again_slows_down_and_never_stops() -> None:
    waits = node(
        "import { backOffMs } from './connection.js';"
        "console.log(JSON.stringify([0, 1, 2, 3, 4, 5, 50, 5000].map(backOffMs)));"
    )
    assert waits == [500, 1000, 2000, 4000, 8000, 10000, 10000, 10000]


def test_a_device_never_looks_ready_while_a_fault_of_its_own_is_active() -> None:
    seen = node(
        """
        import { statuses } from './status.js';
        const devices = {
          scanner: { status: "ready", waiting: 0 }, drawer: { status: "closed" },
          printer: { status: "ready", online: true, paper: "ok" },
        };
        const state = (faults, status = "up") => ({ faults, devices, hub: {}, link: { status } });
        const model = (...rest) => ({ phase: "live", lostAt: null, state: state(...rest) });
        const faults = ["scanner", "printer", "drawer"].map((device) => ({ device, severity: "error" }));
        const kinds = (one) => Object.keys(devices).map((name) => Object.values(statuses(one)[name]).join(" "));
        console.log(JSON.stringify([kinds(model(faults)), kinds(model([])), kinds(model([], "down"))]));
        """
    )
    assert seen == [
        ["error Fault"] * 3,
        ["ok Ready", "ok Closed", "ok Ready"],
        ["unknown Not known"] * 3,
    ]
