"""Cursors are made by us; whatever else comes as one is refused."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from site2crm.core import paging
from site2crm.core.errors import Invalid


def test_a_cursor_is_read_as_it_was_written() -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)
    assert paging.decode(paging.encode((moment, "led_1"))) == (moment, "led_1")
    east = moment.astimezone(timezone(timedelta(hours=9)))
    assert paging.decode(paging.encode((east, "led_1")))[0].utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "forged",
    [
        ["0001-01-01T00:00:00+23:59", "x"],
        ["9999-12-31T23:59:59-23:59", "x"],
        ["2026-01-01T00:00:00", "x"],
        ["2026-01-01T00:00:00Z"],
        ["2026-01-01T00:00:00Z", 1],
        "2026",
        None,
    ],
)
def test_a_moment_that_no_row_can_have_is_refused(forged: object) -> None:
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(forged)).decode()
    with pytest.raises(Invalid):
        paging.decode(cursor)
