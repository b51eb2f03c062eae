"""The two orgs, built once for each test that wants them."""

import pytest

from site2crm.app import Instance
from tests.cast import Cast
from tests.security import world as worlds
from tests.security.world import World


@pytest.fixture
async def world(instance: Instance, people: Cast) -> World:
    return await worlds.build(instance, people)
