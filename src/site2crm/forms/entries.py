"""One question and its answer as an object: `{"label": .., "value": ..}` and its many cousins."""

from collections.abc import Mapping

from msgspec import Struct

from site2crm.forms import json_body
from site2crm.forms.tree import Tree


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_LABELS = _names(
    """
    label title question question_title questionTitle question_text questionText field_label fieldLabel
    column_name columnName field_name fieldName display_name displayName caption heading name field key
    ref slug column_id columnId id ID field_id fieldId questionId question_id Label Title Name Field
    Question Key
    """
)
_KEYS = ("ref", "key", "name", "column_id", "slug", "id", "ID", "field_id", "fieldId", "questionId", "question_id")
_VALUES = _names(
    """
    value values answer answers string_value stringValue response responses text choice choices selected
    content input answerDetails answer_text answerText field_value fieldValue user_value userValue
    raw_value Value Answer Text
    """
)
_LABEL_SET, _VALUE_SET = frozenset(_LABELS), frozenset(_VALUES)
# A dict with one of these is a person, whatever else is in it (`{"name": .., "email": .., "text": ..}`).
_PERSON = frozenset(
    [
        "email",
        "Email",
        "e-mail",
        "E-Mail",
        "mail",
        "phone",
        "Phone",
        "tel",
        "message",
        "Message",
        "first_name",
        "firstName",
        "last_name",
        "lastName",
        "company",
        "EMAIL",
    ]
)
_SHOWN_FIRST = ("full", "label", "labels", "text", "value", "answer", "title", "name", "filename", "fileName")


class Entry(Struct):
    label: str
    key: str
    value: Tree
    type: str
    options: dict[str, str]


def looks_like(node: dict[str, Tree]) -> bool:
    """Whether a dict is one question with its answer."""
    if _LABEL_SET.isdisjoint(node):
        return False
    typed = node.get("type")
    if isinstance(typed, str) and typed in node and typed not in _LABEL_SET:
        return True
    return not _VALUE_SET.isdisjoint(node) and _PERSON.isdisjoint(node)


def read(node: dict[str, Tree], titles: Mapping[str, str], *, key: str) -> Entry | None:
    """The question and answer of a dict, its title looked up in the form's definition; None if it is no entry."""
    if not looks_like(node):
        return None
    field = node.get("field")
    own = field if isinstance(field, dict) else node
    name = _first_text(own, _KEYS) or _first_text(node, _KEYS) or key
    title = _title(own, titles) or _first_text(node, _LABELS) or _first_text(own, _LABELS) or key
    name = name or title
    kind = node.get("type") or own.get("type") or node.get("kind")
    return Entry(title, name, _value(node), _kind(kind, own), _options(node.get("options")))


def titles(root: dict[str, Tree]) -> dict[str, str]:
    """Field id -> title, where the builder sends its questions apart from the answers."""
    from_parts: dict[str, str] = {}
    for place in (root, root.get("form_response"), root.get("data"), root.get("payload"), root.get("form")):
        if not isinstance(place, dict):
            continue
        for name in ("definition", "FieldStructure", "questions", "schema"):
            questions = place.get(name)
            # Wufoo posts its questions as JSON inside a field.
            _collect(json_body.parse_text(questions) if isinstance(questions, str) else questions, from_parts, depth=0)
    return from_parts


def shown(value: Tree, options: Mapping[str, str] = {}) -> str:
    """Any answer as one line of text: option ids resolved, lists joined, files as name and address."""
    if isinstance(value, str):
        return options.get(value, value) if options else value
    if isinstance(value, list):
        return ", ".join(filter(None, (shown(each, options) for each in value)))
    if not isinstance(value, dict):
        return ""
    address = value.get("url") or value.get("link")
    best = next((text for name in _SHOWN_FIRST if (text := shown(value.get(name), options))), "")
    if best:
        extra = shown(value.get("other"))
        known = f"{best} ({address})" if isinstance(address, str) and address != best else best
        return f"{known}, {extra}" if extra and "labels" in value else known
    return ", ".join(filter(None, (shown(each, options) for each in value.values())))


def _value(node: dict[str, Tree]) -> Tree:
    typed = node.get("type")
    if isinstance(typed, str) and node.get(typed) is not None and typed not in _LABEL_SET:
        return node[typed]
    for name in _VALUES:
        value = node.get(name)
        if value not in (None, "", [], {}):
            if name == "answerDetails" and isinstance(value, dict):  # LinkedIn: {"textQuestionAnswer": {"answer": ..}}
                value = next(iter(value.values()), None)
            return value
    return None


def _kind(kind: Tree, own: dict[str, Tree]) -> str:
    if isinstance(kind, str) and kind not in ("text", ""):
        return kind
    inner = own.get("type")
    return inner if isinstance(inner, str) else kind if isinstance(kind, str) else ""


def _title(own: dict[str, Tree], titles: Mapping[str, str]) -> str:
    return next((titles[value] for name in _KEYS if isinstance(value := own.get(name), str) and value in titles), "")


def _first_text(node: dict[str, Tree], names: tuple[str, ...]) -> str:
    for name in names:
        value = node.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _options(options: Tree) -> dict[str, str]:
    if not isinstance(options, list):
        return {}
    pairs = [
        (_first_text(option, ("id", "value", "key")), _first_text(option, ("text", "label", "name", "title")))
        for option in options
        if isinstance(option, dict)
    ]
    return {number: text for number, text in pairs if number and text}


def _collect(node: Tree, found: dict[str, str], *, depth: int) -> None:
    if depth > 6:
        return
    if isinstance(node, list):
        for each in node:
            _collect(each, found, depth=depth + 1)
    elif isinstance(node, dict):
        text = _first_text(node, ("title", "Title", "label", "Label", "question", "headline"))
        if text and _VALUE_SET.isdisjoint(node):
            for name in ("id", "ID", "key", "questionId"):
                if number := _first_text(node, (name,)):
                    found[number] = text
        for value in node.values():
            if isinstance(value, list | dict):
                _collect(value, found, depth=depth + 1)
