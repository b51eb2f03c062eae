"""The API reference, from the OpenAPI document of the running app: what `/docs` shows.

Stock readers (Swagger, Redoc, Scalar) need inline scripts, which our content policy forbids; so it is plain HTML.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import Struct

Schema = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
DEEPEST = 3
_PLACES = {"path": "in the path", "query": "query", "header": "header", "cookie": "cookie"}


class Row(Struct, frozen=True):
    """A parameter or a field; nested ones are named `page.next_cursor`, `data[].id`."""

    name: str
    type: str
    note: str = ""
    required: bool = False


class Answer(Struct, frozen=True):
    status: str
    text: str
    rows: tuple[Row, ...]


class Operation(Struct, frozen=True):
    method: str
    path: str
    anchor: str
    summary: str
    text: str
    permission: str
    parameters: tuple[Row, ...]
    body: tuple[Row, ...]
    answers: tuple[Answer, ...]


class Group(Struct, frozen=True):
    label: str
    anchor: str
    operations: tuple[Operation, ...]


@lru_cache(maxsize=1)
def groups(app: Litestar) -> tuple[Group, ...]:
    """All operations by their tag, in the order of the app."""
    document = app.openapi_schema.to_schema()
    reader = _Reader(document, _permissions(app))
    found: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["Other"])[0]
                found.setdefault(tag[:1].upper() + tag[1:], []).append(reader.operation(method, path, item[method]))
    return tuple(Group(label, _anchor(label), tuple(operations)) for label, operations in found.items())


def _permissions(app: Litestar) -> dict[tuple[str, str], str]:
    """(METHOD, path as OpenAPI writes it) -> the right that the route asks for."""
    return {
        (method.lower(), route.path_format): handler.opt.get("permission", "")
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }


class _Reader:
    def __init__(self, document: Schema, permissions: Mapping[tuple[str, str], str]) -> None:
        self._schemas: Schema = document.get("components", {}).get("schemas", {})
        self._permissions = permissions

    def operation(self, method: str, path: str, spec: Schema) -> Operation:
        body = spec.get("requestBody", {}).get("content", {})
        return Operation(
            method=method.upper(),
            path=path,
            anchor=_anchor(f"{method}-{path}"),
            summary=_words(spec.get("summary", "")),
            text=spec.get("description", ""),
            permission=self._permissions.get((method, path), ""),
            parameters=tuple(self._parameter(parameter) for parameter in spec.get("parameters", [])),
            body=self._rows(body),
            answers=tuple(self._answers(spec.get("responses", {}))),
        )

    def _parameter(self, parameter: Schema) -> Row:
        note = " ".join(part for part in (_PLACES[parameter["in"]], parameter.get("description", "")) if part)
        schema = parameter.get("schema", {})
        return Row(parameter["name"], self._type(schema), note, required=parameter.get("required", False))

    def _answers(self, responses: Schema) -> Iterator[Answer]:
        for status, response in responses.items():
            if status.startswith("2"):
                yield Answer(status, response.get("description", ""), self._rows(response.get("content", {})))

    def _rows(self, content: Schema) -> tuple[Row, ...]:
        schemas = (media.get("schema", {}) for media in content.values())
        return tuple(self._fields(next(schemas, {}), "", DEEPEST))

    def _fields(self, schema: Schema, above: str, depth: int) -> Iterator[Row]:
        schema = self._inner(schema)
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            label = f"{above}{name}"
            yield Row(label, self._type(field), _note(self._resolved(field)), required=name in required)
            if depth > 1:
                yield from self._fields(field, label + ("[]." if self._is_list(field) else "."), depth - 1)

    def _inner(self, schema: Schema) -> Schema:
        """What holds the properties: behind references, lists and “or null”."""
        schema = self._resolved(schema)
        if "items" in schema:
            return self._inner(schema["items"])
        found = [self._inner(choice) for choice in _choices(schema)]
        return next((choice for choice in found if "properties" in choice), schema)

    def _is_list(self, schema: Schema) -> bool:
        schema = self._resolved(schema)
        return "items" in schema or any(self._is_list(choice) for choice in _choices(schema))

    def _resolved(self, schema: Schema) -> Schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self._schemas.get(name, {}) if name else schema

    def _type(self, schema: Schema) -> str:
        schema = self._resolved(schema)
        if "enum" in schema:
            return " | ".join(str(value) for value in schema["enum"])
        if choices := _choices(schema):
            return " | ".join(dict.fromkeys(self._type(choice) for choice in choices))
        kind = schema.get("type", "any")
        if isinstance(kind, list):
            return " | ".join(kind)
        if kind == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        return "date-time" if schema.get("format") == "date-time" else str(kind)


def _choices(schema: Schema) -> Sequence[Schema]:
    found: Sequence[Schema] = schema.get("oneOf") or schema.get("anyOf") or ()
    return found


def _words(summary: str) -> str:
    """The framework's `CreateForm`, as people write it: `Create form`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", summary).capitalize()


def _note(schema: Schema) -> str:
    limits = {"minLength": "at least {} characters", "maxLength": "at most {} characters"}
    parts = [schema.get("description", "") if "properties" not in schema else ""]
    parts += [text.format(schema[key]) for key, text in limits.items() if schema.get(key)]
    return "; ".join(part for part in parts if part)


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
