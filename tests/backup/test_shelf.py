"""What is kept, and when the next one is due."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from site2crm.core.backup import shelf, upkeep
from site2crm.kit import clock
from tests.backup.conftest import settings_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def named(*hours: float, reason: str = "") -> list[str]:
    return [shelf.name_of(NOW - timedelta(hours=each), reason, encrypted=False) for each in hours]


def test_the_newest_of_each_day_and_week_stay() -> None:
    hourly = named(*range(0, 24 * 60, 6))

    gone = shelf.unwanted(hourly, now=NOW, keep_days=7, keep_weeks=4)

    kept = sorted(set(hourly) - set(gone), reverse=True)
    assert kept[0] == hourly[0]
    assert len(kept) == 7 + 1 + 3
    assert all(shelf.made_at(name) > NOW - timedelta(weeks=4, days=1) for name in kept)


def test_the_newest_stays_however_old_and_so_do_two_from_before_migrations() -> None:
    old = named(24 * 400)
    before = named(24 * 500, 24 * 501, 24 * 502, reason="before-0005")

    gone = shelf.unwanted([*old, *before], now=NOW, keep_days=1, keep_weeks=0)

    assert gone == [before[2]]


def test_files_of_others_are_not_touched() -> None:
    assert shelf.unwanted(["notes.txt", "site2crm-x.tar.gz"], now=NOW, keep_days=1, keep_weeks=0) == []


def test_the_newest_good_one_outlives_newer_bad_ones(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, backup__keep_days="1", backup__keep_weeks="0")
    home = shelf.folder_of(settings)
    home.mkdir(parents=True)
    now = clock.now()
    good, bad = (shelf.name_of(now - timedelta(days=days), "", encrypted=False) for days in (3, 0))
    for name in (good, bad):
        (home / name).write_bytes(b"x")
    shelf.checked(home, bad, at=now, fault="damaged")

    assert upkeep.prune(settings) == []
    assert {backup.name for backup in shelf.listed(home)} == {good, bad}


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        ("2026-11-22T03:15:02", "2026-11-22T23:00:00", False),
        ("2026-11-22T03:15:02", "2026-11-23T03:14:00", False),
        ("2026-11-22T03:15:02", "2026-11-23T03:16:00", True),
        ("2026-11-22T02:00:00", "2026-11-22T03:20:00", True),
        ("2036-11-22T02:00:00", "2026-11-22T03:20:00", True),
    ],
)
def test_it_is_due_at_a_quarter_past_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, now: str, due: bool
) -> None:
    settings = settings_of(tmp_path)
    home = shelf.folder_of(settings)
    home.mkdir(parents=True)
    at = datetime.fromisoformat(last).replace(tzinfo=UTC)
    (home / shelf.name_of(at, "", encrypted=False)).write_bytes(b"x")
    monkeypatch.setattr(clock, "unix", lambda: datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())

    assert upkeep.is_due(settings, since=0) is due


def test_a_new_instance_waits_for_its_first_tick_and_never_means_never(tmp_path: Path) -> None:
    assert not upkeep.is_due(settings_of(tmp_path), since=clock.unix())
    assert upkeep.is_due(settings_of(tmp_path), since=clock.unix() - 86_400)
    assert not upkeep.is_due(settings_of(tmp_path, backup__every="0s"), since=0)


def test_an_instance_that_was_made_under_a_clock_that_was_put_back_has_backups(tmp_path: Path) -> None:
    assert upkeep.is_due(settings_of(tmp_path), since=clock.unix() + 10 * 365 * 86_400)
