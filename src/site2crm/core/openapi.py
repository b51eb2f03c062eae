"""The OpenAPI document: the framework's, with the errors that are really answered in place of its own.

The framework describes a body that no error of ours has. What an operation can answer follows from the operation:
one with parameters may be refused for them, one with an id in its path may find nothing there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import OpenAPI

from site2crm.core import errors
from site2crm.core.errors import AppError
from site2crm.core.web import PROBLEM_JSON, ProblemDetails

_SCHEMAS = "#/components/schemas/"
_METHODS = frozenset(["get", "post", "put", "patch", "delete"])


@dataclass
class ApiConfig(OpenAPIConfig):
    """Give this to the app: the document is made at its first reader, not at start."""

    def to_openapi_schema(self) -> OpenAPI:
        made = super().to_openapi_schema()
        return _Document(**{field.name: getattr(made, field.name) for field in fields(made)})


@dataclass
class _Document(OpenAPI):
    def to_schema(self) -> dict[str, Any]:
        document = super().to_schema()
        _, parts = msgspec.json.schema_components([ProblemDetails], ref_template=_SCHEMAS + "{name}")
        document["components"].setdefault("schemas", {}).update(parts)
        for path, item in document["paths"].items():
            for method in _METHODS & item.keys():
                _describe(path, method, item[method])
        return document


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = {status: answer for status, answer in operation["responses"].items() if status < "400"}
    if path.startswith("/api/"):
        answers |= {str(error.status): _answer(error) for error in _errors(path, method, operation)}
    else:
        operation["security"] = []  # what stands beside the API, such as health, asks for no key
    operation["responses"] = answers


def _errors(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[type[AppError]]:
    if "requestBody" in operation:
        yield errors.BadRequest
    yield errors.Unauthorized
    yield errors.Forbidden
    if "{" in path or "requestBody" in operation or operation.get("parameters"):
        yield errors.NotFound  # ids stand in bodies and filters too
    if method != "get":
        yield errors.Conflict
    if "requestBody" in operation:
        yield errors.TooLarge
    if method == "post" or "requestBody" in operation or operation.get("parameters"):
        yield errors.Invalid  # a POST for its Idempotency-Key too
    yield errors.RateLimited


def _answer(error: type[AppError]) -> dict[str, Any]:
    return {"description": error.title, "content": {PROBLEM_JSON: {"schema": {"$ref": _SCHEMAS + "ProblemDetails"}}}}
