"""What an answer itself shows, when its name says nothing: an address, a number, a sentence, a yes."""

import re
from functools import lru_cache

from site2crm.forms import vocabulary
from site2crm.kit.text import fold

_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\/?#]{1,253}")
_PHONE_MARKS = frozenset(" +-()./\u00a0\u2010\u2011\u2012\u2013\u2014\u2212\u202f\u200e\u202a\u202c＋（）－")
_EXTENSION = re.compile(r"\s*(?:ext\.?|extension|x|#|dw|poste)\s*\d{1,6}$", re.IGNORECASE)
_DATE = re.compile(r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})(?:[ T].*)?")
_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")


def email(text: str) -> str | None:
    """The address in `a@b.example`, `mailto:..`, `Ada <..>`, the first of a list; None if there is none."""
    line = text.strip()[:400].partition("\n")[0].partition("\r")[0].strip()
    if line.count("@") > 1 and ", " in line:
        line = line.partition(", ")[0]
    if line.count("@") != 1:
        return None
    if line.endswith(">") and "<" in line:
        line = line.rpartition("<")[2][:-1].strip()
    line = line.removeprefix("mailto:").strip(".,;'\" ")
    if not _EMAIL.fullmatch(line):
        return None
    local, _, domain = line.partition("@")
    dotted = "." in domain.strip(".") and ".." not in domain and not domain.startswith((".", "-"))
    return line if dotted and local and len(line) <= 254 else None


def has_digits_for_phone(text: str) -> bool:
    """Enough for a field that is called a phone number."""
    return len(text) <= 60 and sum(c.isdecimal() for c in text) >= 5


def is_phone(text: str) -> bool:
    """Strict enough for a field without a name: digits and phone signs, no date, no address, no amount."""
    text = _EXTENSION.sub("", text.strip()[:60])
    digits = sum(c.isdecimal() for c in text)
    if not 7 <= digits <= 15 or not all(c.isdecimal() or c in _PHONE_MARKS for c in text):
        return False
    if _DATE.fullmatch(text) or _IPV4.fullmatch(text):
        return False
    if digits == len(text):
        return 9 <= digits <= 12
    return text.count(".") != 1 or any(c in text for c in "+( -")


def is_flag(text: str) -> bool:
    """Whether the answer is a yes or a no."""
    return len(text) <= 24 and "".join(fold(text).split()) in _FLAGS


def is_consent(text: str) -> bool:
    """`I agree to the privacy policy.`"""
    return len(text) <= 2_000 and fold(text[:60]).replace("'", " ").replace("’", " ").replace(",", "").startswith(
        _CONSENT_STARTS
    )


def is_nothing(text: str) -> bool:
    """`n/a`, `-`: typed to get past a required field."""
    return len(text) <= 9 and text.strip().lower() in vocabulary.NO_VALUE


def is_place(text: str) -> bool:
    """An address on the web, whole or from the root."""
    return text.startswith(("http://", "https://", "/", "www.", "android-app://")) and not any(
        c in text for c in " \n\r"
    )


def is_prose(text: str, *, words: int, length: int) -> bool:
    """Free text of at least that many words and characters (scripts without spaces: characters count as words)."""
    if len(text) < length and not (len(text) >= length // 2 and not text.isascii()):
        return False
    head = text[:400]
    if "://" in head[:9] or email(head):
        return False
    return len(head.split()) >= words or sum(ord(c) >= 0x3040 for c in head) >= words * 2 or "\n" in head.strip()


@lru_cache(maxsize=1024)
def split_name(text: str) -> tuple[str, str, str]:
    """(honorific, first, last) of a full name: `Dr. Ada Sample`, `Sample, Ada`."""
    words = text.split()
    title: list[str] = []
    while len(words) > 1 and fold(words[0]).rstrip(".") in _HONORIFICS:
        title.append(words.pop(0))
    whole = " ".join(words)
    last, comma, first = whole.partition(",")
    if (
        comma
        and first.strip()
        and "," not in first
        and len(first.split()) <= 3
        and fold(first).strip(" .") not in _SUFFIXES
    ):
        return " ".join(title), first.strip(), last.strip()
    if title and len(words) == 1:
        return " ".join(title), "", whole
    first, _, last = whole.partition(" ")
    return " ".join(title), first, last


def in_address(name: str, address: str) -> bool:
    """Whether two or more words of a text are what an e-mail address is made of: `Ada Sample`, ada.sample@."""
    words = fold(name).split()
    local = fold(address.partition("@")[0])
    return 2 <= len(words) <= 4 and sum(len(word) >= 2 and word in local for word in words) >= 2


_PLACES = ("http://", "https://", "/", "www.", "android-app://")
_FLAGS = frozenset("".join(fold(flag).split()) for flag in vocabulary.FLAGS.replace("\n", " ").split(","))
_CONSENT_STARTS = tuple(
    " ".join(fold(text).split())
    for text in vocabulary.CONSENT_TEXT_STARTS.replace("\n", " ").split(",")
    if text.strip()
)
_HONORIFICS = frozenset(fold(word) for word in vocabulary.HONORIFICS.split())
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv", "phd", "md", "esq", "mba", "dds", "msc", "bsc", "ma", "ba"])
