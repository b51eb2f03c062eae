"""Checks both sides of a conversation with a CRM against the vendor's documents, kept beside the checkout."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
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
        for document in self.documents if self._validates else ():
            _document(document.name)  # seconds, which the first call must not wait for
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


@lru_cache
def _document(name: str) -> OpenAPI:
    return OpenAPI.from_dict(json.loads((SPECS / name).read_text()), config=_CONFIG)


class _Sent:
    """A request as the validator wants it, at the vendor's own host."""

    def __init__(self, request: Request, host_url: str) -> None:
        self.host_url = host_url
        self.path = request.raw_path
        self.method = request.method.lower()
        self.body = request.body or None
        self.content_type = request.headers.get("content-type", "")
        pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(pairs), header=Headers(request.headers), cookie=ImmutableMultiDict()
        )


class _Received:
    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = Headers({"content-type": "application/json", **answer.headers})
        self.content_type = "application/json"
        self.data = json.dumps(answer.body).encode() if answer.body is not None else None


def violations(name: str, host_url: str, request: Request, answer: Answer) -> list[str]:
    """What the document forbids in this request, and (if we understood the request) in this answer."""
    document, sent = _document(name), _Sent(request, host_url)
    found: list[str] = []
    try:
        document.validate_request(sent)
    except OpenAPIError as error:
        found.append(f"{request.method} {request.path}: {_words(error)} {request.body[:300]!r}")
    try:
        if not found and answer.body is not None:
            document.validate_response(sent, _Received(answer))
    except OpenAPIError as error:
        found.append(f"answer to {request.method} {request.path} ({answer.status}): {_words(error)}")
    return found


def _words(error: Any) -> str:
    cause = error.__cause__
    details = [str(item.message) for item in getattr(cause, "schema_errors", [])]
    return f"{error} {cause or ''} {details or ''}"
