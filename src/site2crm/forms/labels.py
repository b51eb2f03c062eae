"""What a field's name says about its answer: `your-email`, `What is your first name?`, `Telefon *`, `お名前`.

Each name is worked out once and remembered; websites send the same ones again and again.
"""

import re
from functools import lru_cache

from msgspec import Struct

from site2crm.forms import technical, vocabulary
from site2crm.kit.text import fold

EXACT, STRIPPED, NEAR, NOTHING = 5, 4, 2, 0
_LONGEST = 160
_CLICK = "s2cclick"
_VERIFIED = frozenset(["link", "click", "short_url"])
"""Of a touch only a click token that was verified says these."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_TECHNICAL_WORD = re.compile(
    r"[a-z]{1,2}\d+|(?:input|field|question|item|fields|answer|value|fld|text)\d*|(?:form|element|entry|dropdown|col|row|section|page|radio|checkbox|select)\d+|\d+"
)
_HINT = re.compile(r"[(\[（【*:：|/].*", re.DOTALL)
_MAILCHIMP_TRAP = re.compile(r"b_[0-9a-f]{20,}_[0-9a-f]{6,}")


class Meaning(Struct, frozen=True):
    """`role`: a field of the person, consent, confirm, subject, ip, redirect, attribution, honeypot, noise, ours."""

    role: str
    strength: int = NOTHING
    target: str = ""  # the attribution key
    blank: bool = False  # the name says nothing at all: `input_3`, `field_6f8642e`
    denied: bool = False  # it is about something beside the person's own address: `friend's email`


@lru_cache(maxsize=8192)
def meaning(label: str) -> Meaning:
    """The best guess for one label or key."""
    label = label[:_LONGEST]
    words = _words(label)
    whole = "".join(words)
    technical_role = _technical(label, whole)
    if technical_role:
        return technical_role
    if whole in _TERMS:
        return Meaning(_TERMS[whole], EXACT)
    core = [word for word in words if not _says_nothing(word)]
    if not core:
        return Meaning("", blank=True)
    stripped = "".join(core)
    if stripped in _TERMS and stripped not in _WHOLE_ONLY:
        return Meaning(_TERMS[stripped], STRIPPED)
    if "utm" in stripped and stripped in technical.ATTRIBUTION:
        return Meaning("attribution", STRIPPED, technical.ATTRIBUTION[stripped])
    return _without_hint(label, words) or _near(label, words, whole)


def compact(label: str) -> str:
    """`Your-E_mail` -> `youremail`: the spelling names are compared in."""
    return "".join(_words(label[:_LONGEST]))


@lru_cache(maxsize=8192)
def _words_of(label: str) -> tuple[str, ...]:
    if label.isascii() and not label.islower() and not label.isupper():
        label = _CAMEL.sub(" ", label)
    words = _WORD.findall(fold(label))
    if len(words) > 2 and words[0] == "form" and words[1] in ("fields", "field", "data"):
        words = words[2:]
    return tuple(words)


def _words(label: str) -> tuple[str, ...]:
    return _words_of(label)


def _technical(label: str, whole: str) -> Meaning | None:
    if label.startswith("s2c_"):
        return _ours(label[4:])
    if whole == _CLICK:
        return Meaning("ours", EXACT, "click")
    if "fluent_checkme" in label or _MAILCHIMP_TRAP.fullmatch(label):
        return Meaning("honeypot", EXACT)
    if whole in technical.ATTRIBUTION:
        return Meaning("attribution", EXACT, technical.ATTRIBUTION[whole])
    for role, names in _TECHNICAL:
        if whole in names:
            return Meaning(role, EXACT)
    return Meaning("noise", EXACT) if label.startswith(technical.NOISE_STARTS) else None


def _ours(name: str) -> Meaning:
    """The hidden fields of our own embed: `s2c_first_utm_source`, `s2c_click`, `s2c_first_s2c_click`, `s2c_hp`."""
    if "s2c" + compact(name) in technical.HONEYPOTS:
        return Meaning("honeypot", EXACT)
    touch, _, key = name.partition("_")
    prefix = f"{touch}." if touch in ("first", "last") and key else ""
    if prefix and compact(key) == _CLICK:
        return Meaning("ours", EXACT, "first_click" if touch == "first" else "click")
    target = technical.ATTRIBUTION.get(compact(key if prefix else name))
    if target or (prefix and key not in _VERIFIED):
        return Meaning("attribution", EXACT, prefix + (target or key))
    return Meaning("ours", EXACT, name)


def _says_nothing(word: str) -> bool:
    if word in _FILLERS or _TECHNICAL_WORD.fullmatch(word):
        return True
    # `6f8642e`, `00n000000000001`, `aaaaa1`: made by a machine.
    return len(word) >= 5 and word.isascii() and not word.isalpha() and any(c.isalpha() for c in word)


def _without_hint(label: str, words: tuple[str, ...]) -> Meaning | None:
    """`Email (work)`, `Name / Nom`, `Phone: mobile or landline`: what stands before the sign."""
    before = _HINT.sub("", label)
    if not before.strip() or len(before) == len(label) or _is_consent(words):
        return None
    first = meaning(before)
    if first.role not in _PERSON or not _NOT_IT.isdisjoint(words):
        return None
    return Meaning(first.role, STRIPPED)


def _near(label: str, words: tuple[str, ...], whole: str) -> Meaning:
    if _is_consent(words):
        return Meaning("consent", NEAR if _STRONG.isdisjoint(words) and "optin" not in whole else EXACT)
    denied = not _NOT_IT.isdisjoint(words)
    for role, terms in _NEAR_WORDS:
        if not terms.isdisjoint(words):
            return Meaning(role, NEAR, denied=denied)
    if not label.isascii():
        folded = fold(label)
        denied = any(word in folded for word in _NOT_IT_INSIDE)
        for role, inside in _INSIDE:
            if any(term in folded for term in inside):
                return Meaning("" if denied else role, NEAR, denied=denied)
        if any(term in folded for term in _CONSENT_INSIDE):
            return Meaning("consent", NEAR)
    return Meaning("", denied=denied)


def _is_consent(words: tuple[str, ...]) -> bool:
    return (
        not _CONSENT.isdisjoint(words)
        or ("opt" in words and ("in" in words or "out" in words))
        or any(word.startswith(("datenschutz", "newsletter", "consent", "optin")) for word in words)
    )


def _terms(text: str) -> list[str]:
    return ["".join(_WORD.findall(fold(term))) for term in text.replace("\n", " ").split(",") if term.strip()]


def _set(text: str) -> frozenset[str]:
    return frozenset(word for term in text.split() for word in _WORD.findall(fold(term)))


_TECHNICAL = (
    ("honeypot", technical.HONEYPOTS),
    ("ip", technical.IP),
    ("redirect", technical.REDIRECT),
    ("noise", technical.NOISE),
)
_PERSON = frozenset(["email", "name", "first_name", "last_name", "phone", "company", "message"])
# Later rows win where a term stands in two: `nombre` and `nome` are a full name unless a surname is asked beside them.
_TERMS: dict[str, str] = {
    term: role
    for role, text in (
        ("subject", vocabulary.SUBJECT),
        ("message", vocabulary.MESSAGE),
        ("company", vocabulary.COMPANY),
        ("phone", vocabulary.PHONE),
        ("last_name", vocabulary.LAST_NAME),
        ("first_name", vocabulary.FIRST_NAME),
        ("name", vocabulary.NAME),
        ("email", vocabulary.EMAIL),
        ("confirm", vocabulary.CONFIRM),
    )
    for term in _terms(text)
}
# Beside other words these mean something else: `last page`, `your ad`.
_WHOLE_ONLY = frozenset(["first", "last", "ad", "adi", "not", "text", "body", "org", "cep"])
_FILLERS = _set(vocabulary.FILLERS)
_NOT_IT = _set(vocabulary.NOT_IT)
_NOT_IT_INSIDE = tuple(word for word in _NOT_IT if not word.isascii())
_STRONG = _set(vocabulary.CONSENT_STRONG)
_CONSENT = _STRONG | (_set(vocabulary.CONSENT_WEAK) - {"j"})
_CONSENT_INSIDE = tuple(word for word in _CONSENT if word and ord(word[0]) > 0x0590)
_NEAR_WORDS = (
    ("email", _set(vocabulary.EMAIL_WORDS)),
    ("phone", _set(vocabulary.PHONE_WORDS)),
    ("message", _set(vocabulary.MESSAGE_WORDS)),
)
_INSIDE = tuple((role, tuple(fold(term) for term in text.split())) for role, text in vocabulary.INSIDE.items())
