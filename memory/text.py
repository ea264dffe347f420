"""What search needs to know about Chinese text: how long it is, and its character pairs. Pure.

The ICU tokenizer of the full-text index splits Chinese into dictionary words, and the split depends on the neighbours:
每周一 becomes 每周 and 一, so that a search for 周一 does not find it. Character pairs (the classic index of Chinese
text) find what words miss; the table keeps both (`memory/table.py`).
"""

from __future__ import annotations

import re

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U0003ffff"
_CJK_RUN = re.compile(f"[{_CJK}]+")
_CJK_CHARACTER = re.compile(f"[{_CJK}]")

LATIN_CHARACTERS_PER_UNIT = 4


def length(text: str) -> int:
    """How long a text is for an embedding model: a Chinese character counts 1, four others count 1."""
    chinese = len(_CJK_CHARACTER.findall(text))
    return chinese + -(-(len(text) - chinese) // LATIN_CHARACTERS_PER_UNIT)


def character_pairs(text: str) -> str:
    """The neighbouring pairs of Chinese characters, separated by blanks; a run of one character stands alone."""
    pairs: list[str] = []
    for run in _CJK_RUN.findall(text):
        pairs += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return " ".join(pairs)


def clean(text: str) -> str:
    """Text that every store and model takes: no lone surrogates, no NUL, no blanks around it."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").strip()
