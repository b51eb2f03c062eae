"""The tree of a body as a flat list of answers, whatever the builder nested, listed, keyed or wrapped it in."""

from collections.abc import Mapping

from msgspec import Struct

from site2crm.forms import entries, json_body, technical
from site2crm.forms.bodies import pairs_of_text
from site2crm.forms.labels import compact
from site2crm.forms.tree import Tree

# How far an answer is from what the visitor filled in.
ANSWER, HIDDEN, ENVELOPE, META = range(4)

_FIRST = frozenset(["first", "firstname", "given", "givenname", "fname"])
_LAST = frozenset(["last", "lastname", "family", "familyname", "surname", "lname"])
_NAME_PARTS = (
    _FIRST
    | _LAST
    | frozenset(
        ["prefix", "title", "salutation", "middle", "middlename", "suffix", "full", "fullname", "display", "nickname"]
    )
)
_PHONE_PARTS = frozenset(
    ["full", "area", "phone", "country", "code", "number", "prefix", "countrycode", "areacode", "dialcode", "national"]
)
_FORM_INSIDE = frozenset(["data", "formData", "form_data"])
_MAX_NESTED_TEXT = 500_000
_MAX_NESTED = 16  # bodies inside fields, over the whole body


class Answer(Struct):
    label: str  # as a person would read it, for the lead's page
    key: str  # as posted, for field maps
    text: str
    type: str = ""
    rank: int = ANSWER


def answers(tree: Tree, skip: frozenset[str] = frozenset()) -> list[Answer]:
    """All answers in the order posted; `skip` are compact top-level keys that this builder only repeats."""
    walk = _Walk()
    if isinstance(tree, dict):
        walk.titles = entries.titles(tree)
        walk.object({k: v for k, v in tree.items() if compact(k) not in skip} if skip else tree, (), ANSWER, key="")
    elif isinstance(tree, list):
        walk.sequence(tree, (), ANSWER, key="")
    else:
        walk.add("", "message", tree or "")
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.found: list[Answer] = []
        self.titles: Mapping[str, str] = {}
        self.nested_left = _MAX_NESTED

    def add(self, label: str, key: str, text: str, *, type_: str = "", rank: int = ANSWER) -> None:
        if text and (text := text.strip()):
            self.found.append(Answer(label or key, key, text, type_, rank))

    def object(self, node: dict[str, Tree], above: tuple[str, ...], rank: int, *, key: str) -> None:
        beside = max(rank, ENVELOPE) if _wraps(node) else rank
        for name, value in node.items():
            if isinstance(value, str):
                if not self._nested(name, value, above, rank):
                    title = self.titles.get(name) or " ".join((*above, name))
                    self.add(title, name, value, rank=beside)
            elif value:
                self._below(name, value, above, rank)

    def sequence(self, node: list[Tree], above: tuple[str, ...], rank: int, *, key: str) -> None:
        plain: list[str] = []
        for item in node:
            if isinstance(item, str):
                plain.append(item)
            elif isinstance(item, dict):
                self._item(item, above, rank, key="")
            elif isinstance(item, list):
                self.sequence(item, above, rank, key=key)
        if plain:
            label = self.titles.get(key) or " ".join(above) or key
            self.add(label, key, ", ".join(dict.fromkeys(filter(None, (text.strip() for text in plain)))), rank=rank)

    def _item(self, node: dict[str, Tree], above: tuple[str, ...], rank: int, *, key: str) -> None:
        entry = entries.read(node, self.titles, key=key)
        if entry is None:
            self.object(node, above, rank, key=key)
            return
        hidden = "hidden" in entry.type.lower()
        if isinstance(entry.value, dict) and (_is_name(entry.value) or _is_phone(entry.value)):
            self._group(entry.value, (entry.label,), rank, key=entry.key)
            return
        text = entries.shown(entry.value, entry.options)
        self.add(entry.label, entry.key, text, type_=entry.type, rank=max(rank, HIDDEN) if hidden else rank)

    def _below(self, name: str, value: Tree, above: tuple[str, ...], rank: int) -> None:
        short = compact(name)
        if short in technical.SKIPPED and not (isinstance(value, list) and _is_plain(value)):
            return
        if isinstance(value, list):
            inner = above if _is_box(short) and not _is_plain(value) else (*above, name)
            self.sequence(value, inner, rank, key=name)
            return
        assert isinstance(value, dict)
        if name == "legalConsentOptions":
            self._hubspot_consent(value)
        elif _is_name(value) or _is_phone(value):
            self._group(value, (*above, name) if short not in technical.BOXES else above, rank, key=name)
        elif entries.looks_like(value) and (above or rank or not _is_box(short)):
            self._item(value, above, max(rank, _rank_of(name, short)), key=name)
        else:
            see_through = _is_box(short) or short in technical.PEOPLE or _rank_of(name, short) in (HIDDEN, META)
            self.object(
                value,
                above if see_through and short != "form" else (*above, name),
                max(rank, _rank_of(name, short)),
                key=name,
            )

    def _group(self, node: dict[str, Tree], above: tuple[str, ...], rank: int, *, key: str) -> None:
        """`{"first": .., "last": ..}`, `{"area": .., "phone": ..}`."""
        if _is_phone(node):
            text = node.get("full") or " ".join(v for v in node.values() if isinstance(v, str) and v)
            self.add(" ".join(above), key, entries.shown(text), type_="phone_group", rank=rank)
            return
        for part, value in node.items():
            short = compact(part)
            named = "first_name" if short in _FIRST else "last_name" if short in _LAST else ""
            if short in ("full", "fullname", "display"):
                continue
            self.add(" ".join((*above, part)), f"{key}.{part}", entries.shown(value), type_=named, rank=rank)

    def _nested(self, name: str, value: str, above: tuple[str, ...], rank: int) -> bool:
        """JSON inside a field (Jotform's rawRequest), a form inside a field (Fluent's data)."""
        if len(value) < 2 or (value[0] not in "{[" and name not in _FORM_INSIDE):
            return False
        if len(value) > _MAX_NESTED_TEXT or not self.nested_left:
            return False
        tree: Tree = None
        if (value[0] == "{" and value[-1] == "}") or (value[0] == "[" and value[-1] == "]"):
            tree = json_body.parse_text(value)
        elif name in _FORM_INSIDE and "=" in value and "&" in value and "\n" not in value:
            tree = pairs_of_text(value)
        if not isinstance(tree, dict | list):
            return False
        self.nested_left -= 1
        if name == "FieldStructure":
            return True
        self._below(name, tree, above, rank)
        return True

    def _hubspot_consent(self, node: dict[str, Tree]) -> None:
        """`{"consent": {"consentToProcess", "text", "communications": [..]}}` or `{"legitimateInterest": {..}}`."""
        for kind, given in node.items():
            if not isinstance(given, dict):
                self.add("", kind, entries.shown(given), type_="consent")
                continue
            for name, value in given.items():
                if name == "communications" and isinstance(value, list):
                    for each in value:
                        if isinstance(each, dict):
                            self._communication(each)
                    continue
                label = {"consentToProcess": "consent_to_process", "text": "consent_text", "value": kind}.get(
                    name, name
                )
                self.add(label, label, entries.shown(value), type_="consent")

    def _communication(self, node: dict[str, Tree]) -> None:
        text, number = entries.shown(node.get("text")), entries.shown(node.get("subscriptionTypeId"))
        self.add(
            text or f"Subscription {number}",
            f"subscription_{number}",
            entries.shown(node.get("value")),
            type_="consent",
        )


def _is_box(short: str) -> bool:
    return short in technical.BOXES


def _is_plain(values: list[Tree]) -> bool:
    return all(isinstance(value, str) or value is None for value in values)


def _wraps(node: dict[str, Tree]) -> bool:
    """Whether a child holds the answers, so that the texts beside it are the builder's."""
    for name, value in node.items():
        if isinstance(value, dict):
            if _is_box(compact(name)) and value:
                return True
        elif isinstance(value, list):
            if value and isinstance(value[0], dict) and _is_box(compact(name)):
                return True
        elif value and name in ("rawRequest", "data.json"):
            return True
    return False


def _rank_of(name: str, short: str) -> int:
    if short in technical.HIDDEN:
        return HIDDEN
    if short in technical.META or (name.startswith("__") and short in technical.BOXES):
        return META
    return META if short in technical.FORMISH else ANSWER


def _is_name(node: dict[str, Tree]) -> bool:
    parts = {compact(part) for part in node}
    return not parts.isdisjoint(_FIRST | _LAST) and parts <= _NAME_PARTS and not _has_container(node)


def _is_phone(node: dict[str, Tree]) -> bool:
    parts = {compact(part) for part in node}
    telling = not parts.isdisjoint(("full", "number", "phone", "national")) and parts <= _PHONE_PARTS
    if not telling or _has_container(node):
        return False
    text = "".join(v for v in node.values() if isinstance(v, str))
    return parts != {"phone"} and sum(c.isdecimal() for c in text) >= 5


def _has_container(node: dict[str, Tree]) -> bool:
    return any(isinstance(value, dict | list) for value in node.values())
