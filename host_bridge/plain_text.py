"""Text from outside, made safe to show: a hub's, a barcode's, a foreign server's, a USB descriptor's.

Control characters drive a terminal, format characters turn the order of what is read round, and separators forge a
line. None of them is anything that a person reads, so each becomes U+FFFD, and one sees that something was there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from unicodedata import category

_STEERING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # controls, formats, surrogates, line and paragraph separators
_REPLACEMENT = "\ufffd"


def is_steering(character: str) -> bool:
    """Whether it tells whoever shows it what to do, and shows nothing itself."""
    return not character.isprintable() and category(character) in _STEERING


def plain(text: str, keep: str = "") -> str:
    """The text without what steers, but for the characters of `keep`."""
    if text.isprintable():
        return text
    return "".join(_REPLACEMENT if is_steering(each) and each not in keep else each for each in text)


def plain_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """A HELLO, say, with its texts plain and all else as it is."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in values.items()}


def escaped_json(document: str) -> str:
    """The same JSON with what steers as `\\uXXXX`: JSON itself lets all but the first 32 through as they are."""
    if document.isprintable():
        return document
    return "".join(json.dumps(each)[1:-1] if is_steering(each) and each != "\n" else each for each in document)
