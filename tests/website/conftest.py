"""The website on a small app: its own routes and those it documents, without a database."""

import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from site2crm.accounts import errors as accounts_errors
from site2crm.core import access, config, web
from site2crm.core.access import Connection, Who
from site2crm.core.config import Settings
from site2crm.core.dependencies import provide_who
from site2crm.core.machine import Machine
from site2crm.forms import api as forms_api
from site2crm.ops import api as ops_api
from site2crm.website.feature import FEATURE


class StoppedMachine(Machine):
    """Settings, and nothing that runs: the website needs no more."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


async def stopped_machine() -> Machine:
    return StoppedMachine(config.load(None, env={}, flags={}))


async def no_session() -> None:
    return None


async def by_cookie(connection: Connection) -> Who | None:
    return Who(user_id="usr_1", email="ada@example.com", name="Ada") if connection.cookies.get("s2c") else None


SOURCES = Path(accounts_errors.__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def all_errors() -> None:
    """As in the product, where every feature is loaded."""
    for path in SOURCES.rglob("errors.py"):
        importlib.import_module(".".join(["site2crm", *path.relative_to(SOURCES).with_suffix("").parts]))


@pytest.fixture(scope="session")
def app() -> Litestar:
    made = Litestar(
        route_handlers=[*FEATURE.routers, forms_api.router, ops_api.router],
        dependencies={
            "machine": Provide(stopped_machine),
            "session": Provide(no_session),
            "who": Provide(provide_who),
        },
        guards=[access.guard],
        exception_handlers={Exception: web.answer_error},
        openapi_config=OpenAPIConfig(
            title="Site2CRM API",
            version="1",
            path="/api/v1",
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
        ),
        logging_config=None,
    )
    made.state.authenticate = by_cookie
    return made


@pytest.fixture
async def visitor(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A stranger's browser."""
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client
