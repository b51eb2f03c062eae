"""Text made comparable: one folding for matching, one set of words for search on every database."""

import re
import unicodedata

_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d", "ħ": "h", "ς": "σ"}
)
# Marks that readers leave out when they type: Latin/Greek/Cyrillic accents, Hebrew points, Arabic vowels.
# Not the Japanese voicing marks: か and が are different letters.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u0655\u0670]+")
_WORD = re.compile(r"[^\W_]{1,200}")  # an index of words takes 2,046 bytes of one; what is longer is several
# Scripts written without spaces: Thai, Lao, kana, Han.
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_PHONE = re.compile(r"[0-9 +\-()./\u00a0]{7,30}")
_NO_DIGIT = re.compile("[^0-9]+")
_MAX_QUERY_TERMS = 16


def fold(text: str) -> str:
    """Case, width and accents removed: `Straße` -> `strasse`, `Ｅ－Ｍａｉｌ` -> `e-mail`."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", plain))
    return unicodedata.normalize("NFC", bare)


def search_text(*parts: str | None) -> str:
    """The words under which something is found, in order, each once."""
    found: dict[str, None] = {}
    for part in parts:
        if not part:
            continue
        words = _words(fold(part))
        found.update(dict.fromkeys(words if part.isascii() else _all_grams(words)))
        digits = _phone_digits(part)
        if digits:
            found.update(dict.fromkeys((digits, digits[-10:])))
    return " ".join(found)


def _all_grams(words: list[str]) -> list[str]:
    return [gram for word in words for gram in _grams(word, closing=True)]


def search_query(query: str) -> list[str]:
    """Terms that must all be the beginning of a word of `search_text`; safe to quote, letters and digits only."""
    digits = _phone_digits(query)
    if digits:
        return [digits]
    found: dict[str, None] = {}
    for word in _words(fold(query)):
        found.update(dict.fromkeys(_grams(word, closing=False)))
        if len(found) >= _MAX_QUERY_TERMS:
            break
    return list(found)[:_MAX_QUERY_TERMS]


def _words(folded: str) -> list[str]:
    # `_` and every sign separate, so e-mail addresses and URLs fall into their parts.
    return _WORD.findall(folded)


def _grams(word: str, *, closing: bool) -> list[str]:
    """A word as it is; a run without spaces as pairs (`closing` adds its last character, so that it is found alone)."""
    if word.isascii() or not _UNSPACED.search(word):
        return [word]
    grams: list[str] = []
    at = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > at:
            grams.append(word[at : run.start()])
        grams += _pairs(run.group(), closing=closing)
        at = run.end()
    if at < len(word):
        grams.append(word[at:])
    return grams


def _pairs(run: str, *, closing: bool) -> list[str]:
    if len(run) == 1:
        return [run]
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [*pairs, run[-1]] if closing else pairs


def _phone_digits(text: str) -> str:
    digits = _NO_DIGIT.sub("", text) if _PHONE.fullmatch(text) else ""
    return digits if 7 <= len(digits) <= 15 else ""
