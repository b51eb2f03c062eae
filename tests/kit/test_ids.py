"""Ids that tell when they were made."""

from datetime import UTC, datetime

import pytest

from site2crm.kit import clock, ids

NOW = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)


def test_an_id_tells_when_it_was_made() -> None:
    with clock.travel(NOW):
        assert ids.made_at(ids.new("dlv")) == NOW


@pytest.mark.parametrize("id", ["", "dlv_1", "dlv_", "sub_SAMPLE", ids.derived("dlv", "a"), "dlv_" + "I" * 26])
def test_what_tells_no_time_tells_none(id: str) -> None:
    assert ids.made_at(id) is None
