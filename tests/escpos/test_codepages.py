"""Bytes to characters: Western and Chinese receipts both read right without the till saying which it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.escpos.codepages import CODE_PAGES, KanjiMode, TextDecoder, split_incomplete


def read(data: bytes, *, page: int | None = None, kanji: KanjiMode = KanjiMode.AUTO, international: int = 0) -> str:
    decoder = TextDecoder(kanji)
    if page is not None:
        decoder.choose_page(page)
    decoder.choose_international(international)
    return "".join(c.text for c in decoder.decode(data))


CHINESE = [
    "店名：鸿运超市",
    "元",
    "合计：￥12.00",
    "T恤 x1",
    "镕基",
    "鑫鑫鑫",
    "3件A",
    "谢谢",
    "①",
    "Ａ",
    "哪哪儿",
    "娜娜",
    "嘉陵路88号",
]


@pytest.mark.parametrize("text", CHINESE)
@pytest.mark.parametrize("page", [None, 0, 2, 16, 18, 19, 15])
def test_chinese_reads_right_by_default_also_after_a_western_code_page_was_chosen(text: str, page: int | None) -> None:
    assert read(text.encode("gb18030"), page=page) == text


@pytest.mark.parametrize(
    ("text", "codec", "page"),
    [
        ("Café", "cp437", 0),
        ("Größe", "cp437", 0),
        ("Größe", "cp1252", 16),
        ("déjà vu", "cp1252", 16),
        ("SOLUÇÃO", "cp1252", 16),
        ("ação", "cp850", 2),
        ("Привет, мир", "cp866", 17),
        ("Привет, мир", "cp1251", 46),
        ("Καλημέρα", "cp1253", 47),
        ("┌──┬──┐", "cp437", 0),
        ("──┬─────", "cp437", 0),
        ("╔═══╗", "cp437", 0),
        ("████", "cp437", 0),
        ("│ a │", "cp437", 0),
        ("5,00 €", "cp858", 19),
        ("Ñandú", "cp858", 19),
        ("zażółć gęślą jaźń", "cp852", 18),
    ],
)
def test_western_text_reads_right_by_default(text: str, codec: str, page: int) -> None:
    assert read(text.encode(codec), page=page) == text


def test_fs_and_and_fs_dot_settle_it() -> None:
    data = "é好".encode("cp437", "ignore") + "好".encode("gb18030")
    assert read("Größe".encode("cp437"), kanji=KanjiMode.ON) != "Größe"
    assert read(data, kanji=KanjiMode.OFF) == data.decode("cp437")
    assert read("好é".encode("gb18030"), kanji=KanjiMode.ON) == "好é"


def test_a_chinese_receipt_makes_a_short_doubtful_run_chinese() -> None:
    decoder = TextDecoder()
    decoder.choose_page(16)
    doubtful = "躅".encode("gb18030")
    assert "".join(c.text for c in TextDecoder().decode("收银员".encode("gb18030"))) == "收银员"
    decoder.decode("收银员：张三".encode("gb18030"))
    assert [c.text for c in decoder.decode(doubtful)] == ["躅"]


def test_the_international_set_of_china_announces_chinese_also_after_a_cyrillic_page() -> None:
    decoder = TextDecoder()
    decoder.choose_page(17)
    decoder.choose_international(15)
    assert "".join(c.text for c in decoder.decode("找零：五元".encode("gb18030"))) == "找零：五元"
    decoder.choose_page(17)
    assert "".join(c.text for c in decoder.decode("Привет".encode("cp866"))) == "Привет"


def test_four_byte_characters_are_one_wide_character() -> None:
    (character,) = TextDecoder(KanjiMode.ON).decode("㐂".encode("gb18030"))
    assert character == ("㐂", True)


def test_international_sets_replace_twelve_characters() -> None:
    assert read(b"#$@[\\]^`{|}~", international=2) == "#$§ÄÖÜ^`äöüß"
    assert read(b"$5", international=15) == "¥5"
    assert read(b"#", international=3) == "£"
    assert read(b"#", international=99) == "#"


def test_katakana_page() -> None:
    assert read(b"\xb1\xb2\xb3", page=1) == "ｱｲｳ"


@pytest.mark.parametrize("page", [*CODE_PAGES, 1, 42, 255])
def test_every_page_gives_a_printable_character_for_every_byte(page: int) -> None:
    text = read(bytes(range(0x20, 0x100)).replace(b"\x7f", b""), page=page, kanji=KanjiMode.OFF)
    assert len(text) == 0xE0 - 1
    assert not any("\x7f" <= c <= "\x9f" for c in text)


@given(st.text(st.characters(codec="gb2312", exclude_categories=["Cc"]), max_size=60))
def test_in_kanji_mode_any_gb2312_text_reads_right(text: str) -> None:
    data = text.encode("gb2312")
    assert read(data, kanji=KanjiMode.ON) == data.decode("gb18030")  # which names two dashes and dots otherwise


@given(st.binary(max_size=200), st.integers(0, 255), st.sampled_from(KanjiMode), st.integers(0, 255))
def test_no_bytes_break_the_decoder(data: bytes, page: int, kanji: KanjiMode, international: int) -> None:
    text = read(data, page=page, kanji=kanji, international=international)
    assert len(text) <= len(data)


@given(st.text(st.characters(codec="gb18030", exclude_categories=["Cc", "Cs"]), max_size=30), st.integers(0, 120))
def test_a_run_is_cut_only_between_characters(text: str, cut: int) -> None:
    data = text.encode("gb18030")
    whole, begun = split_incomplete(data[:cut])
    assert whole + begun == data[:cut]
    assert len(begun) <= 3
    assert text.startswith(whole.decode("gb18030"))
