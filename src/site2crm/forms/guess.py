"""Which answer is the e-mail address, the name, the phone, the company and the message; the rest is kept as it is."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from site2crm.forms import labels, technical, values
from site2crm.forms.shapes import ENVELOPE, META, Answer

# What outweighs what: the owner's map, our own form's fields, a name's parts, the field's name, its type, its value.
_MAPPED, _DECLARED, _GROUP, _TYPED, _BY_VALUE = 9, 8, 6, 3, 1
_PERSON = frozenset(["email", "name", "first_name", "last_name", "phone", "company", "message"])
_SINGLE = _PERSON | {"subject", "ip", "redirect"}
# Outside the answers `name`, `message` and `company` are the form's, the builder's or the account's.
_AMBIGUOUS = frozenset(["name", "message", "company", "subject"])
_ADDRESSES = frozenset(["page_url", "landing_url", "referrer"])
_PROSE_TYPES = ("textarea", "long_text", "longtext", "long-text", "paragraph", "multiline", "multi_line")
_DECLARED_AS = {"choice": "custom", "text": "custom", "hidden": "hidden"}


class Sorted(Struct):
    """The answers by what they are."""

    best: dict[str, str] = field(default_factory=dict)
    custom: dict[str, str] = field(default_factory=dict)
    consent: dict[str, str] = field(default_factory=dict)
    attribution: dict[str, str] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)
    honeypot: str = ""


class _Claim(Struct):
    role: str
    weight: int
    answer: Answer


class Rules(Struct, frozen=True):
    """What the form's owner said, which outweighs any guess."""

    field_map: Mapping[str, str]
    declared: Mapping[str, str]
    honeypots: frozenset[str]


def sort(answers: list[Answer], rules: Rules) -> Sorted:
    """Every answer to its place; none is dropped but the builder's own business."""
    result = Sorted()
    claims: list[_Claim] = []
    open_: list[Answer] = []
    for answer in answers:
        if answer.key in rules.honeypots:
            result.honeypot = answer.key
            continue
        told = _told(answer, rules)
        role, strength = _checked(*told, answer) if told else _guessed(answer)
        if role in _SINGLE and strength:
            claims.append(_Claim(role, strength * 4 - answer.rank, answer))
        elif not _placed(role, answer, result):
            open_.append(answer)
    rest = _award(claims, result.best)
    rest += _by_value(open_, result)
    _keep_rest(answers, rest, result)
    return result


def _told(answer: Answer, rules: Rules) -> tuple[str, int] | None:
    if rules.field_map:
        for name in (answer.key, answer.label, labels.compact(answer.key)):
            if target := rules.field_map.get(name):
                return (target, _MAPPED) if target in _SINGLE else (f"custom:{target}", _MAPPED)
    if rules.declared:
        kind = rules.declared.get(answer.key) or rules.declared.get(labels.compact(answer.key))
        if kind == "hidden":
            known = labels.meaning(answer.key)
            return (known.role, _DECLARED) if known.role in ("attribution", "ours", "ip") else ("custom", _DECLARED)
        if kind:
            return _DECLARED_AS.get(kind, kind), _DECLARED
    return None


def _guessed(answer: Answer) -> tuple[str, int]:
    """The role its type, label or key gives, if the value can be one."""
    if answer.type:
        if answer.type in ("first_name", "last_name"):
            return answer.type, _GROUP
        if answer.type == "consent":
            return "consent", _GROUP
    by_label = labels.meaning(answer.label)
    by_key = labels.meaning(answer.key) if answer.key != answer.label else by_label
    found = by_label if by_label.strength >= by_key.strength or by_label.denied else by_key
    if not found.role and by_key.role in ("noise", "attribution", "ip", "redirect", "honeypot", "ours"):
        found = by_key
    if answer.rank >= META and found.role in _PERSON:
        return "", 0
    role, strength = found.role, found.strength
    if found.denied and role:
        strength = 0 if role in ("email", "message") else 1
    typed = _typed(answer.type)
    if typed and role not in ("confirm", "attribution", "honeypot", "noise") and not found.denied and strength < _TYPED:
        role, strength = typed, _TYPED
    return _checked(role, strength, answer)


def _typed(type_: str) -> str:
    if not type_:
        return ""
    kind = type_.lower()
    if "email" in kind:
        return "email"
    if "phone" in kind or kind == "tel":
        return "phone"
    return "message" if kind.endswith(_PROSE_TYPES) or kind in _PROSE_TYPES else ""


def _checked(role: str, strength: int, answer: Answer) -> tuple[str, int]:
    """A name alone is not enough: `Phone: please mail me` is not a number, `Newsletter: weekly` no consent."""
    fits = _FITS.get(role)
    return (role, strength) if fits is None or fits(answer.text, strength) else ("", 0)


def _is_email(text: str, strength: int) -> bool:
    return strength > 0 and values.email(text) is not None


def _is_phone(text: str, strength: int) -> bool:
    if strength >= labels.STRIPPED:
        return values.has_digits_for_phone(text)
    return strength > 0 and values.is_phone(text)


def _is_consent(text: str, strength: int) -> bool:
    return strength >= labels.EXACT or values.is_flag(text) or values.is_consent(text)


def _is_message(text: str, strength: int) -> bool:
    return strength > labels.NEAR or (strength > 0 and values.is_prose(text, words=2, length=8))


def _is_name(text: str, strength: int) -> bool:
    return _is_company(text, strength) and not values.is_flag(text)


def _is_company(text: str, strength: int) -> bool:
    return strength > 0 and len(text) <= 200 and not values.is_nothing(text) and not values.email(text)


def _is_ip(text: str, strength: int) -> bool:
    return len(text) <= 45 and ("." in text or ":" in text)


def _is_place(text: str, strength: int) -> bool:
    return values.is_place(text)


_FITS: Mapping[str, Callable[[str, int], bool]] = {
    "email": _is_email,
    "phone": _is_phone,
    "consent": _is_consent,
    "message": _is_message,
    "name": _is_name,
    "first_name": _is_name,
    "last_name": _is_name,
    "company": _is_company,
    "ip": _is_ip,
    "redirect": _is_place,
}


def _placed(role: str, answer: Answer, result: Sorted) -> bool:
    """What is neither the person's nor open to a guess."""
    if role == "honeypot":
        result.honeypot = result.honeypot or answer.key
    elif role == "consent":
        _keep(result.consent, answer.label, answer.text)
    elif role == "attribution":
        target = (labels.meaning(answer.key).target or labels.meaning(answer.label).target)[:100]
        # `Landing page: yes, please` is an answer to a web agency.
        if target.rpartition(".")[2] in _ADDRESSES and not values.is_place(answer.text):
            return False
        result.attribution.setdefault(target, answer.text)
    elif role == "ours":
        result.ours[labels.meaning(answer.key).target or labels.meaning(answer.label).target] = answer.text
    elif role == "custom" or role.startswith("custom:"):
        name = role.partition(":")[2] or answer.label
        if name != "ignore":
            _keep(result.custom, name, answer.text)
    elif role == "noise":
        return True
    else:
        outside = answer.rank >= ENVELOPE or answer.key.startswith("_")
        return outside and not role and labels.compact(answer.key) in technical.NOISE_OUTSIDE
    return True


def _award(claims: list[_Claim], best: dict[str, str]) -> list[Answer]:
    """The strongest claim on each role wins, the earlier on a tie; the others are returned."""
    inside = _is_person_inside(claims)
    rest: list[Answer] = []
    winners: dict[str, _Claim] = {}
    for claim in claims:
        if claim.role in _AMBIGUOUS and inside and claim.answer.rank >= ENVELOPE:
            if claim.role != "name":  # the form's own
                rest.append(claim.answer)
            continue
        holder = winners.get(claim.role)
        if holder is None or claim.weight > holder.weight:
            winners[claim.role] = claim
            if holder is not None:
                rest.append(holder.answer)
        else:
            rest.append(claim.answer)
    for role, claim in winners.items():
        text = claim.answer.text
        best[role] = (values.email(text) or text) if role == "email" else text
        if role == "email" and best[role] != text and text.rstrip() != f"mailto:{best[role]}":
            rest.append(claim.answer)
    return rest


def _is_person_inside(claims: list[_Claim]) -> bool:
    """Whether the answers name the person, or the envelope does (Calendly: the answers may hold a phone only)."""
    for role in ("email", "phone"):
        ranks = [claim.answer.rank for claim in claims if claim.role == role]
        if ranks:
            return min(ranks) < ENVELOPE
    return False


def _by_value(open_: list[Answer], result: Sorted) -> list[Answer]:
    """Fields whose name says nothing: an address, a number, a sentence speaks for itself."""
    best = result.best
    rest: list[Answer] = []
    blank: list[Answer] = []
    for answer in open_:
        means = labels.meaning(answer.label)
        nameless = means.blank and (answer.key == answer.label or labels.meaning(answer.key).blank)
        if "email" not in best and not means.denied and answer.rank < META and (found := values.email(answer.text)):
            best["email"] = found
        elif nameless and values.is_consent(answer.text):
            _keep(result.consent, answer.label, answer.text)
        elif "phone" not in best and (nameless or means.role == "email") and values.is_phone(answer.text):
            # `Your e-mail or phone`
            best["phone"] = answer.text
        else:
            (blank if nameless and answer.rank < ENVELOPE else rest).append(answer)
    blank = _numbered_names(blank, best)
    blank = _name_like_address(blank, best)
    return _longest_prose(blank, rest, best)


def _numbered_names(blank: list[Answer], best: dict[str, str]) -> list[Answer]:
    """Gravity Forms: `1.3` is the first name and `1.6` the last name of a name field; a `1.1` would be a checkbox."""
    parts = {labels.compact(a.key).removeprefix("input"): a for a in blank if "." in a.key or "_" in a.key}
    keys = {a.key.removeprefix("input_").replace("_", "."): a for a in parts.values()}
    for key, first in keys.items():
        stem, dot, number = key.partition(".")
        last = keys.get(f"{stem}.6")
        if dot and number == "3" and last is not None and f"{stem}.1" not in keys and "first_name" not in best:
            best["first_name"], best["last_name"] = first.text, last.text
            return [a for a in blank if a is not first and a is not last]
    return blank


def _name_like_address(blank: list[Answer], best: dict[str, str]) -> list[Answer]:
    if best.keys() & {"name", "first_name", "last_name"} or "email" not in best:
        return blank
    for answer in blank:
        if len(answer.text) <= 80 and values.in_address(answer.text, best["email"]):
            best["name"] = answer.text
            return [a for a in blank if a is not answer]
    return blank


def _longest_prose(blank: list[Answer], rest: list[Answer], best: dict[str, str]) -> list[Answer]:
    """Without a message the longest sentence is it; a field with a name of its own must be a text, not a choice."""
    everything = blank + rest
    if "message" in best:
        return everything
    prose = [a for a in blank if values.is_prose(a.text, words=3, length=12)]
    if not prose:
        prose = [a for a in rest if a.rank < ENVELOPE and values.is_prose(a.text, words=9, length=50)]
    if not prose:
        return everything
    longest = max(prose, key=lambda a: len(a.text))
    best["message"] = longest.text
    return [a for a in everything if a is not longest]


def _keep_rest(answers: list[Answer], rest: list[Answer], result: Sorted) -> None:
    """In the order posted; a value the lead already has under the same meaning is not repeated."""
    waiting = {id(answer) for answer in rest}
    known = set(result.best.values())
    seen: dict[str, str] = {}
    for answer in answers:
        if id(answer) not in waiting:
            continue
        if answer.text in known and labels.meaning(answer.label).role in (*_SINGLE, "confirm"):
            continue
        short = labels.compact(answer.label)
        if short and seen.get(short) == answer.text:
            continue
        seen[short] = answer.text
        _keep(result.custom, answer.label, answer.text)


def _keep(kept: dict[str, str], label: str, text: str) -> None:
    label = label[:300]
    there = kept.get(label)
    if there is None:
        kept[label] = text
    elif text not in there.split(", "):
        kept[label] = f"{there}, {text}"
