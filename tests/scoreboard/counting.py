"""A pytest plugin: what the tests of a run have sent, and what came of them, into a file."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from tests.scoreboard.pytests import Tried, told_to

_tried = Tried()


def _counted(answer: httpx.Response) -> httpx.Response:
    _tried.requests += 1
    _tried.server_errors += answer.status_code >= 500
    return answer


def _watched(send: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
    def watching(*given: Any, **named: Any) -> httpx.Response:
        return _counted(send(*given, **named))

    return watching


def _watched_async(send: Callable[..., Awaitable[httpx.Response]]) -> Callable[..., Awaitable[httpx.Response]]:
    async def watching(*given: Any, **named: Any) -> httpx.Response:
        return _counted(await send(*given, **named))

    return watching


def pytest_configure() -> None:
    httpx.Client.send = _watched(httpx.Client.send)  # type: ignore[method-assign]
    httpx.AsyncClient.send = _watched_async(httpx.AsyncClient.send)  # type: ignore[method-assign]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _tried.failed.append(f"{report.nodeid}: {report.longreprtext.strip().splitlines()[-1:]}")
    elif report.when == "call":
        _tried.passed += report.passed
        _tried.skipped += report.skipped


def pytest_sessionfinish() -> None:
    told_to().write_text(json.dumps(asdict(_tried)))
