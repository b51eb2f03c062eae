"""What a collector is told: one trace from the form to the CRM, and nothing about anybody."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from site2crm.core import log, tracing
from site2crm.core.config import ConfigInvalid, load
from tests.server import Server

EMAIL = "ada.secret@example.com"
KEY = "key-of-the-collector"
PATIENCE_S = 30


class Collector:
    """Takes OTLP over HTTP, read by the protocol's own classes."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[str | None] = []
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces" and collector.status == 200:
                    collector.bodies.append(body)
                    collector.headers.append(self.headers.get("x-key"))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Span]:
        told = [ExportTraceServiceRequest.FromString(body) for body in list(self.bodies)]
        return [
            span for one in told for resource in one.resource_spans for scope in resource.scope_spans
            for span in scope.spans
        ]  # fmt: skip

    def wait_for(self, *names: str) -> dict[str, Span]:
        """The first span of each name, once all have come."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found = {span.name: span for span in reversed(self.spans())}
            if set(names) <= set(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"told were {sorted({span.name for span in self.spans()})}, not {names}")


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    tracing.stop()
    found.server.shutdown()
    found.server.server_close()


def traced(url: str, tmp_path: Path, more: str = "") -> None:
    config = tmp_path / "traced.toml"
    config.write_text(f'[log]\ntraces_url = "{url}"\n{more}')
    tracing.start(load(config, env={}, flags={}).log)


def test_one_trace_leads_from_the_form_to_the_contact(collector: Collector, tmp_path: Path) -> None:
    config = f'[log]\ntraces_url = "{collector.url}"\ntraces_headers = "x-key={KEY}"\n'
    server = Server(tmp_path, config).start()
    try:
        with server.an_org() as api:
            form = api.post("/api/v1/forms", json={"name": "Traced"}).json()
            made = api.post("/api/v1/connections", json={"kind": "inbox", "name": "Box", "mapping": {"email": "email"}})
            made.raise_for_status()
            posted = httpx.post(f"{server.url}/f/{form['key']}", data={"email": EMAIL})
            found = collector.wait_for("POST /f", "leads.capture", "delivery.attempt", "POST /api/v1/forms")
    finally:
        server.stop()
    request = found["POST /f"]
    name = posted.headers["x-request-id"]
    assert request.trace_id.hex() == tracing.trace_of(posted.json()["id"])
    for follower in ("leads.capture", "delivery.attempt"):
        assert found[follower].trace_id == request.trace_id, follower
        assert found[follower].parent_span_id == request.span_id, follower
        assert found[follower].end_time_unix_nano >= request.start_time_unix_nano
    assert found["POST /api/v1/forms"].trace_id != request.trace_id
    told = {item.key: item.value for item in request.attributes}
    assert told["http.response.status_code"].int_value == 201
    assert told["request_id"].string_value == name
    everything = b"".join(collector.bodies)
    assert EMAIL.encode() not in everything
    assert form["key"].encode() not in everything
    assert collector.headers[0] == KEY
    assert KEY not in server.log()


def test_what_ends_with_an_error_says_which(collector: Collector, tmp_path: Path) -> None:
    traced(collector.url, tmp_path)
    with log.scope(request_id="req_0123456789abcdef"), pytest.raises(ValueError, match="Ada"), tracing.span("outer"):
        with tracing.span("inner", kind=tracing.CLIENT) as told:
            told["server.address"] = "crm.example"
        raise ValueError("Ada")
    found = collector.wait_for("outer", "inner")
    assert found["inner"].parent_span_id == found["outer"].span_id
    assert found["inner"].kind == Span.SPAN_KIND_CLIENT
    assert found["outer"].status.code == Status.STATUS_CODE_ERROR
    assert {item.key: item.value.string_value for item in found["outer"].attributes} == {"error.type": "ValueError"}
    assert b"Ada" not in collector.bodies[0]


def test_of_a_trace_all_is_told_or_nothing(collector: Collector, tmp_path: Path) -> None:
    traced(collector.url, tmp_path, "traces_share = 0.5\n")
    for number in range(100):
        name = f"req_{number:016x}"
        tracing.answered("GET /", name, seconds=0.1, attributes={})
        tracing.followed("capture", name, since=time.time(), attributes={})
    tracing.stop()
    traces = [span.trace_id for span in collector.spans()]
    assert 20 < len(set(traces)) < 80
    assert all(traces.count(one) == 2 for one in traces)


def test_a_collector_that_is_away_keeps_nobody(tmp_path: Path) -> None:
    traced("http://127.0.0.1:1", tmp_path)
    for number in range(3 * tracing.WAITING):
        tracing.answered("GET /", f"req_{number:016x}", seconds=0.1, attributes={})
    tracing.stop()
    assert not tracing.is_on()


def test_nothing_is_loaded_and_nothing_told_without_a_collector() -> None:
    assert not tracing.is_on()
    with log.scope(request_id="req_0123456789abcdef"), tracing.span("unseen") as told:
        told["job_id"] = "job"


@pytest.mark.parametrize("written", ['"collector:4318"', '"http://user:key@host"', '"ftp://host"', "4318"])
def test_a_wrong_address_is_refused_with_the_cure(tmp_path: Path, written: str) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(f"[log]\ntraces_url = {written}\n")
    with pytest.raises(ConfigInvalid, match=r"collector's address|text in quotes"):
        load(config, env={}, flags={})
