"""From a receipt's bytes to characters: ESC t code pages, ESC R international sets, and two-byte Chinese (FS &, FS .).

Code page numbers: Epson, "ESC/POS Command Reference", ESC t. International sets: the same, ESC R.

On Chinese printers the kanji mode is on from the start and every pair of bytes that is valid GB18030 is a Chinese
character. On Western ones it doesn't exist. A till rarely says which it has in mind, so by default we judge each run of
text (``KanjiMode.AUTO``); FS & and FS . settle it either way.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from typing import Final, NamedTuple

DEFAULT_PAGE: Final = 0  # PC437
KATAKANA_PAGE: Final = 1

CODE_PAGES: Final[dict[int, str]] = {
    0: "cp437",
    2: "cp850",
    3: "cp860",
    4: "cp863",
    5: "cp865",
    11: "cp737",  # PC851: Python has no table; its Greek letters differ, PC737 at least is Greek
    12: "cp857",  # PC853: likewise, the nearest Turkish page
    13: "cp857",
    14: "cp737",
    15: "iso8859_7",
    16: "cp1252",
    17: "cp866",
    18: "cp852",
    19: "cp858",
    20: "cp874",
    21: "cp874",
    26: "cp874",
    32: "cp720",
    33: "cp775",
    34: "cp855",
    35: "cp861",
    36: "cp862",
    37: "cp864",
    38: "cp869",
    39: "iso8859_2",
    40: "iso8859_15",
    44: "cp1125",
    45: "cp1250",
    46: "cp1251",
    47: "cp1253",
    48: "cp1254",
    49: "cp1255",
    50: "cp1256",
    51: "cp1257",
    52: "cp1258",
    53: "kz1048",
}
"""ESC t n to a Python codec. Page 1 is katakana (JIS X 0201); others that Epson lists have no table here: PC437."""

# In these pages two letters in a row look just like a Chinese pair, so an explicit ESC t of one of them is believed.
_LETTERS_ABOVE_A0: Final = frozenset((1, 11, 14, 17, 34, 36, 37, 38, 44, 46, 47, 49, 50, 53))

_REPLACED: Final = b"#$@[\\]^`{|}~"
_INTERNATIONAL: Final[dict[int, str]] = {
    0: "#$@[\\]^`{|}~",  # USA
    1: "#$à°ç§^`éùè¨",  # France
    2: "#$§ÄÖÜ^`äöüß",  # Germany
    3: "£$@[\\]^`{|}~",  # UK
    4: "#$@ÆØÅ^`æøå~",  # Denmark I
    5: "#¤ÉÄÖÅÜéäöåü",  # Sweden
    6: "#$@°\\é^ùàòèì",  # Italy
    7: "₧$@¡Ñ¿^`¨ñ}~",  # Spain I
    8: "#$@[¥]^`{|}~",  # Japan
    9: "#¤ÉÆØÅÜéæøåü",  # Norway
    10: "#$ÉÆØÅÜéæøåü",  # Denmark II
    11: "#$á¡Ñ¿é`íñóú",  # Spain II
    12: "#$á¡Ñ¿éüíñóú",  # Latin America
    13: "#$@[₩]^`{|}~",  # Korea
    14: "#$ŽŠĐĆČžšđćč",  # Slovenia, Croatia
    15: "#¥@[\\]^`{|}~",  # China
    16: "#$@[\\]^`{|}~",  # Vietnam
    17: "#$@[\\]^`{|}~",  # Arabia
}

_CHINA: Final = 15

_LEAD, _TRAIL = rb"[\x81-\xfe]", rb"[\x40-\x7e\x80-\xfe]"
_CHINESE: Final = re.compile(_LEAD + rb"(?:" + _TRAIL + rb"|[\x30-\x39]" + _LEAD + rb"[\x30-\x39])")
_CHINESE_GROUP: Final = re.compile(rb"(?:" + _CHINESE.pattern + rb")+")
_INCOMPLETE: Final = re.compile(_LEAD + rb"(?:[\x30-\x39](?:" + _LEAD + rb")?)?\Z")
_BOX_BYTES: Final = frozenset(range(0xB0, 0xE0))  # lines and blocks in PC437 and its relatives
_HORIZONTAL_LINES: Final = b"\xc4\xcd\xdb\xdc\xdf\xb0\xb1\xb2"
_EVIDENCE_LIMIT: Final = 6


class KanjiMode(enum.Enum):
    """How bytes above 7Fh are read."""

    AUTO = "auto"  # judged run by run; the printer's state when nobody said anything
    ON = "on"  # FS &: every valid pair is Chinese
    OFF = "off"  # FS .: single bytes only


class Character(NamedTuple):
    """One character, and whether it was sent as two or four bytes (and is thus as wide as it is high)."""

    text: str
    wide: bool


@cache
def _page_table(page: int) -> str:
    """The 256 characters of a code page; what it does not define is a space on paper."""
    if page == KATAKANA_PAGE:
        upper = "".join(chr(0xFEC0 + code) if 0xA1 <= code <= 0xDF else " " for code in range(0x80, 0x100))
    else:
        codec = CODE_PAGES.get(page, CODE_PAGES[DEFAULT_PAGE])
        upper = "".join(bytes((code,)).decode(codec, "replace") for code in range(0x80, 0x100)).replace("\ufffd", " ")
    table = "".join(map(chr, range(0x80))) + upper
    return "".join(" " if "\x80" <= c <= "\x9f" else c for c in table)


class TextDecoder:
    """The printer's state that text depends on. ESC @ makes a new one."""

    def __init__(self, kanji: KanjiMode = KanjiMode.AUTO) -> None:
        self.kanji = kanji
        self.page = DEFAULT_PAGE
        self.international = 0
        self._page_chosen = False
        self._evidence = 0  # above 0: this receipt has been Chinese so far; below: Western

    def choose_page(self, page: int) -> None:
        """ESC t n."""
        self.page = page
        self._page_chosen = True

    def choose_international(self, number: int) -> None:
        """ESC R n. Numbers that don't exist change nothing. China is how some tills announce Chinese text."""
        if number in _INTERNATIONAL:
            self.international = number
        if number == _CHINA:
            self._page_chosen = False
            self._evidence = _EVIDENCE_LIMIT

    def decode(self, data: bytes) -> list[Character]:
        """The characters of one whole run of text."""
        if data.isascii() or self.kanji is KanjiMode.OFF:
            return self._single(data)
        if self.kanji is KanjiMode.AUTO and not self._looks_chinese(data):
            return self._single(data)
        characters: list[Character] = []
        position = 0
        for match in _CHINESE.finditer(data):
            text = match.group().decode("gb18030", "replace")
            characters += self._single(data[position : match.start()])
            if len(text) == 1 and text != "\ufffd":
                characters.append(Character(text, True))
            else:
                characters += self._single(match.group())
            position = match.end()
        return characters + self._single(data[position:])

    def _single(self, data: bytes) -> list[Character]:
        table = _page_table(self.page)
        if self.international:
            own = dict(zip(_REPLACED, _INTERNATIONAL[self.international], strict=True))
            return [Character(own.get(code) or table[code], False) for code in data]
        return [Character(table[code], False) for code in data]

    def _looks_chinese(self, data: bytes) -> bool:
        """Judge a run by how likely its pairs are as Chinese, and remember the verdict for shorter runs that follow."""
        if self._page_chosen and self.page in _LETTERS_ABOVE_A0:
            return False
        score = chinese_likelihood(data)
        if score is None:
            self._evidence = max(-_EVIDENCE_LIMIT, self._evidence - 2)
            return False
        # Naming a Western page makes Western text likelier, yet tills that print Chinese often do it too.
        verdict = score + self._evidence - (1 if self._page_chosen else 0) > 0
        step = max(-2, min(2, score))
        self._evidence = max(-_EVIDENCE_LIMIT, min(_EVIDENCE_LIMIT, self._evidence + step))
        return verdict


def chinese_likelihood(data: bytes) -> int | None:
    """How much a run looks like GB18030: None if it can't be, otherwise the higher the likelier, below 0 hardly.

    Common characters (GB2312 level 1) lie where few other texts have two bytes in a row; the rare ones of GBK lie where
    any accented letter before an ASCII letter would be.
    """
    rest = _CHINESE_GROUP.sub(b"", data)
    if not rest.isascii():
        return None
    score = 0
    for group in _CHINESE_GROUP.finditer(data):
        pairs = _CHINESE.findall(group.group())
        before, after = data[group.start() - 1 : group.start()], data[group.end() : group.end() + 1]
        if len(pairs) == 1 and before.isalpha() and after.isalpha():
            score -= 3  # a letter with an accent, inside a word
            continue
        if len(pairs) > 1 and _is_table_line(group.group()):
            score -= 3
            continue
        score += sum(map(_pair_likelihood, pairs))
    return score


def _is_table_line(group: bytes) -> bool:
    """A border of line or block characters is mostly one and the same of them."""
    most = max(map(group.count, _HORIZONTAL_LINES))
    return 2 * most > len(group) and _BOX_BYTES.issuperset(group)


def _pair_likelihood(pair: bytes) -> int:
    if len(pair) == 4:
        return 1
    lead, trail = pair
    if trail < 0x80:
        return -1
    if trail < 0xA1 or lead < 0xA1:
        return 0
    if 0xB0 <= lead <= 0xD7:
        return 3  # GB2312 level 1: the 3755 characters that nearly all text consists of
    return 2 if lead <= 0xA3 else 1  # punctuation and full-width forms; level 2 and the rest


def split_incomplete(data: bytes) -> tuple[bytes, bytes]:
    """Cut off a Chinese character at the end of which only the first bytes have come: (whole, begun)."""
    tail = len(data)
    group_end = 0
    for group in _CHINESE_GROUP.finditer(data):
        group_end = group.end()
    match = _INCOMPLETE.search(data, group_end)
    if match:
        tail = match.start()
    return data[:tail], data[tail:]
