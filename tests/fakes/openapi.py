"""Checks both sides of a conversation with a CRM against the vendor's documents, kept beside the checkout."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from site2crm.demo.server import Answer, FakeServer, Request

_CONFIG = Config(extra_media_type_deserializers={"application/json-patch+json": json.loads})
SPECS = Path(__file__).resolve().parents[2].parent / "shared" / "crm" / "specs"


class Document(NamedTuple):
    """One of a vendor's documents, the host it is for, and which paths of the server it tells about."""

    name: str
    host_url: str
    prefix: str = "/"


class Checked(FakeServer):
    """Mixed into a CRM of the demo. `violations`: what the documents forbid in what either side said."""

    documents: tuple[Document, ...] = ()

    def __init__(self, *, validate: bool = True, **given: Any) -> None:
        super().__init__(**given)
        self.violations: list[str] = []
        self._validates = validate and all(available(document.name) for document in self.documents)
        if self._validates:
            for document in self.documents:
                _document(document.name)  # seconds, which no call should have to wait for

    def checked(self, request: Request, answer: Answer) -> None:
        super().checked(request, answer)
        if self._validates:
            about = next((d for d in self.documents if request.raw_path.startswith(d.prefix)), None)
            if about is None:
                self.violations.append(f"{request.method} {request.path} is in no document")
            else:
                self.violations += violations(about.name, about.host_url, request, answer)

    def control(self, request: Request) -> Answer:
        if (request.method, request.path) == ("GET", "/_fake/violations"):
            return Answer(200, self.violations)
        return super().control(request)


def available(name: str) -> bool:
    return (SPECS / name).is_file()


def _read(name: str) -> Any:
    return json.loads((SPECS / name).read_text())


@lru_cache
def _document(name: str) -> OpenAPI:
    return OpenAPI.from_dict(_read(name), config=_CONFIG)


@lru_cache
def _declared_headers(name: str) -> frozenset[str]:
    """The headers that the document says anything about in an answer. The others count calls, and are never the same."""
    document = _read(name)
    operations = (each for path in document["paths"].values() for each in path.values() if isinstance(each, dict))
    tables = (document.get("components", {}), *operations)
    answers = (answer for table in tables for answer in table.get("responses", {}).values())
    return frozenset(header.lower() for answer in answers for header in answer.get("headers", {}))


@dataclass(frozen=True)
class _Sent:
    """A request as the validator wants it, at the vendor's own host."""

    host_url: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes | None

    @classmethod
    def of(cls, request: Request, host_url: str) -> Self:
        return cls(
            host_url=host_url,
            method=request.method.lower(),
            path=request.raw_path,
            query=urlsplit(request.target).query,
            headers=tuple((name, value) for name, value in request.headers.items() if name != "host"),
            content_type=request.headers.get("content-type", ""),
            body=request.body or None,
        )

    @cached_property
    def parameters(self) -> RequestParameters:
        """The validator adds what it finds in the path."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return RequestParameters(
            query=ImmutableMultiDict(pairs), header=Headers(self.headers), cookie=ImmutableMultiDict()
        )


class _Received(NamedTuple):
    """An answer as the validator wants it."""

    status_code: int
    data: bytes
    declared: tuple[tuple[str, str], ...]
    content_type: str = "application/json"

    @property
    def headers(self) -> Headers:
        return Headers([("content-type", self.content_type), *self.declared])


def violations(name: str, host_url: str, request: Request, answer: Answer) -> list[str]:
    """What the document forbids in this request, and (if we understood the request) in this answer."""
    sent = _Sent.of(request, host_url)
    if (words := _wrong_request(name, sent)) is not None:
        return [f"{request.method} {request.path}: {words} {request.body[:300]!r}"]
    if answer.body is None:
        return []
    declared = tuple(each for each in answer.headers.items() if each[0].lower() in _declared_headers(name))
    received = _Received(answer.status, json.dumps(answer.body).encode(), declared)
    if (words := _wrong_answer(name, sent, received)) is not None:
        return [f"answer to {request.method} {request.path} ({answer.status}): {words}"]
    return []


@lru_cache(maxsize=20_000)
def _wrong_request(name: str, sent: _Sent) -> str | None:
    """Remembered: a reading takes milliseconds, and two of three requests of the tests have been made before."""
    try:
        _document(name).validate_request(sent)
    except OpenAPIError as error:
        return _words(error)
    return None


@lru_cache(maxsize=20_000)
def _wrong_answer(name: str, sent: _Sent, received: _Received) -> str | None:
    try:
        _document(name).validate_response(sent, received)
    except OpenAPIError as error:
        return _words(error)
    return None


def _words(error: Any) -> str:
    cause = error.__cause__
    details = [str(item.message) for item in getattr(cause, "schema_errors", [])]
    return f"{error} {cause or ''} {details or ''}"
