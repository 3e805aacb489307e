"""Text from outside says what it likes, and drives nobody's terminal."""

from __future__ import annotations

import json
import unicodedata
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from host_bridge.plain_text import escaped_json, plain, plain_texts
from hublink.hello import pack_hello, unpack_hello
from tests.hub.peers import hello

STEERING: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
nasty = st.text(st.one_of(st.characters(categories=STEERING), st.characters()))
evil = example("\x1b[31mEVIL\x1b]0;owned\x07\nfake: line\u202e\u2028\x9b5m\U000e0041")


def steers(text: str) -> bool:
    return any(unicodedata.category(each) in STEERING for each in text)


@evil
@given(nasty)
def test_what_steers_is_replaced_and_all_else_stays(text: str) -> None:
    shown = plain(text)
    assert not steers(shown)
    assert len(shown) == len(text)
    assert all(after == before or steers(before) for before, after in zip(text, shown, strict=True))
    assert plain(shown) == shown


def test_what_people_read_stays_as_it_is() -> None:
    for text in ("counter 1", "收银台　一号", "Kasse Nº 3 ✔", "кассa\u00a03", "\ufffd"):
        assert plain(text) == text
    assert plain("a\nb\tc", keep="\n") == "a\nb\ufffdc"


@given(st.text(st.one_of(st.characters(categories=["Cc", "Cf", "Zl", "Zp"]), st.characters(codec="utf-8")), max_size=8))
def test_the_texts_of_a_hello_are_plain_and_its_numbers_untouched(text: str) -> None:
    said = hello() | {"nonce": 1, "dictionary": 2, "credit": bytes(6)}
    said |= dict.fromkeys(("name", "board", "firmware", "crumb"), text)
    heard = unpack_hello(pack_hello(said))
    shown = plain_texts(heard)
    assert [shown[key] for key in ("name", "board", "firmware", "crumb")] == [plain(text)] * 4
    assert {key: value for key, value in shown.items() if not isinstance(value, str)} == {
        key: value for key, value in heard.items() if not isinstance(value, str)
    }


@evil
@given(nasty)
def test_json_says_the_same_without_anything_that_steers(text: str) -> None:
    document = escaped_json(json.dumps({"x": text}, ensure_ascii=False, indent=2))
    assert not steers(document.replace("\n", ""))
    assert json.loads(document) == {"x": text}
