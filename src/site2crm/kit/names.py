"""Names of people as they are written, for who types in capitals or in small letters only."""

import re

_PART = re.compile(r"[^\W\d_]+", re.UNICODE)
_SMALL = frozenset(
    (
        *("van", "von", "der", "den", "de", "del", "della", "di", "da", "das", "dos", "du", "des", "la", "le", "ten"),
        *("ter", "te", "zu", "zum", "zur", "af", "av", "bin", "ibn", "y"),
    )
)
"""What stays small in a name, as in Vincent van Gogh; alone it is a name like another."""
_ELISIONS = ("o", "d", "l")
"""O'Neill, D'Angelo, L'Estrange: what follows the apostrophe begins large."""


def name_case(text: str) -> str:
    """`ada LOVELACE` -> `Ada Lovelace`. Words that have both large and small letters are left: McDonald, DiCaprio."""
    words = text.split()
    return " ".join(_word(word, is_alone=len(words) == 1) for word in words)


def _word(word: str, *, is_alone: bool) -> str:
    if word != word.lower() and word != word.upper():
        return word
    if word.lower() in _SMALL and not is_alone:
        return word.lower()
    cased = _PART.sub(lambda part: _begun(part[0]), word)
    before, mark, after = cased.partition("'") if "'" in cased else cased.partition("’")
    if mark and before.lower() not in _ELISIONS:
        return before + mark + after.lower()
    return cased


def _begun(part: str) -> str:
    low = part.lower()
    if low.startswith("mc") and len(low) > 3:
        return f"Mc{low[2].upper()}{low[3:]}"
    return low[0].upper() + low[1:]
