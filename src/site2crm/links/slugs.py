"""What a short link may be called.

A slug is read aloud, printed, typed on a phone and pasted into chats: letters of one script, digits, `-` and `_`. Case
is kept, but does not tell two links apart. What a person cannot see or tell from something else is refused.
"""

import secrets
import unicodedata

from site2crm.core.errors import Invalid
from site2crm.core.reserved import SEGMENTS

LONGEST = 64
GENERATED_LENGTH = 7
# No 0/O, 1/I/l; no vowel either, so that no word comes about
ALPHABET = "23456789bcdfghjkmnpqrstvwxyz"

_ASCII = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_PLAIN_SIGNS = frozenset("0123456789-_")
_MOST_MARKS = 2
_SHARED = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"})
"""Scripts that are written together, and with Latin."""
_CURES = {
    "/": "Leave out the slash: a slug is one part of the address.",
    "\\": "Leave out the backslash.",
    ".": "Leave out the dot: names with a dot are kept for files such as robots.txt.",
    "%": "Leave out the percent sign: write the letter itself.",
    " ": "Write - instead of a space.",
    "+": "Leave out the plus sign: write - instead.",
    "?": "Leave out the question mark: it begins a query.",
    "#": "Leave out the #: it ends an address.",
    "@": "Leave out the @.",
}


def key(slug: str) -> str:
    """What two slugs have in common that are read as the same."""
    return slug.lower() if slug.isascii() else unicodedata.normalize("NFKC", slug).casefold()


def generated(length: int = GENERATED_LENGTH) -> str:
    """A slug by chance; never a reserved word."""
    while True:
        slug = "".join(secrets.choice(ALPHABET) for _ in range(length))
        if slug not in SEGMENTS:
            return slug


def checked(text: str) -> str:
    """The slug as it is kept. Raises Invalid, naming the field and the cure."""
    slug = text.strip(" ")
    refused = _refusal(slug)
    if refused:
        raise Invalid.field("slug", refused)
    return slug


def _refusal(slug: str) -> str:
    if not slug:
        return "At least one letter or digit."
    if len(slug) > LONGEST:
        return f"At most {LONGEST} characters; this one has {len(slug):,}."
    if not _ASCII.issuperset(slug):
        refused = _of_signs(slug) or _of_scripts(slug)
        if refused:
            return refused
    if not any(sign.isalnum() for sign in slug):
        return "At least one letter or digit."
    if key(slug) in SEGMENTS:
        return f"“{slug}” is a page of this product. Choose another slug."
    return ""


def _of_signs(slug: str) -> str:
    marks = 0
    for sign in slug:
        if sign in _ASCII:
            marks = 0
            continue
        kind = unicodedata.category(sign)
        marks = marks + 1 if kind in {"Mn", "Mc"} else 0
        if sign in _CURES:
            return _CURES[sign]
        if kind[0] == "C" or kind[0] == "Z":
            return f"Remove the invisible character U+{ord(sign):04X}."
        if unicodedata.bidirectional(sign) in {"R", "AL", "AN"}:
            return "Letters from right to left turn the address around it: choose letters that run from left to right."
        if kind[0] != "L" and (not marks or marks > _MOST_MARKS):
            return f"“{sign}” cannot stand in a slug: use letters, digits, - and _."
    if slug[0] not in _ASCII and unicodedata.category(slug[0])[0] == "M":
        return "Begin with a letter or a digit."
    plain = unicodedata.normalize("NFKC", slug)
    return "" if plain == slug else f"Write it as “{plain}”: these letters have more than one form."


def _of_scripts(slug: str) -> str:
    """Refuse letters of several scripts: a Cyrillic `a` beside a Latin one makes a link look like another."""
    letters = [sign for sign in slug if sign not in _PLAIN_SIGNS and unicodedata.category(sign)[0] == "L"]
    scripts = {unicodedata.name(sign, "UNKNOWN").split()[0] for sign in letters}
    if len(scripts - _SHARED) > 1:
        return "Use the letters of one script: these are of " + " and ".join(sorted(s.title() for s in scripts)) + "."
    return ""
