"""The same person is known again within the window, and by nobody after it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from site2crm.core.visitors import FILE, Visitors
from site2crm.kit import clock

DAY_S = 86_400
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHO = ("203.0.113.7", "Mozilla/5.0", "go.acme.example")


def visitors(folder: Path, window_s: float = DAY_S) -> Visitors:
    return Visitors(folder, window_s=window_s)


def test_the_same_visitor_has_the_same_hash_and_any_other_another(tmp_path: Path) -> None:
    people = visitors(tmp_path)
    hashes = [people.hash(*WHO)]
    hashes += [people.hash(*(*WHO[:n], WHO[n] + "x", *WHO[n + 1 :])) for n in range(3)]
    assert people.hash(*WHO) == hashes[0]
    assert len(set(hashes)) == 4
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in hashes)


def test_a_restart_within_the_day_knows_them_again(tmp_path: Path) -> None:
    with clock.travel(NOON) as forward:
        before = visitors(tmp_path).hash(*WHO)
        forward(11 * 3600)
        assert visitors(tmp_path).hash(*WHO) == before


def test_at_midnight_utc_the_salt_is_thrown_away(tmp_path: Path) -> None:
    with clock.travel(NOON) as forward:
        people = visitors(tmp_path)
        before, salt = people.hash(*WHO), (tmp_path / FILE).read_bytes()
        forward(12 * 3600 - 1)
        assert people.hash(*WHO) == before
        forward(1)
        after = people.hash(*WHO)
        assert after != before
        people.keep()
        assert (tmp_path / FILE).read_bytes() != salt
        assert visitors(tmp_path).hash(*WHO) == after


def test_nobody_clicking_does_not_keep_an_old_salt(tmp_path: Path) -> None:
    with clock.travel(NOON) as forward:
        people = visitors(tmp_path)
        salt = (tmp_path / FILE).read_bytes()
        forward(DAY_S)
        people.keep()
        assert (tmp_path / FILE).read_bytes() != salt


@pytest.mark.parametrize(("dnt", "gpc"), [("1", ""), ("", "1"), (b"1", b""), (b"0", b"1")])
def test_who_asks_not_to_be_followed_has_no_hash(tmp_path: Path, dnt: str | bytes, gpc: str | bytes) -> None:
    assert visitors(tmp_path).hash(*WHO, dnt=dnt, gpc=gpc) == ""
    assert visitors(tmp_path).hash(*WHO, dnt="0", gpc="") != ""


@pytest.mark.parametrize("content", ["", "junk", "86400 x y", "86400 99999999999999 " + "00" * 32, "3600 1 00"])
def test_an_unreadable_salt_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    people = visitors(tmp_path)
    assert visitors(tmp_path).hash(*WHO) == people.hash(*WHO)


def test_another_window_begins_anew(tmp_path: Path) -> None:
    with clock.travel(NOON):
        before = visitors(tmp_path).hash(*WHO)
        assert visitors(tmp_path, window_s=3_600).hash(*WHO) != before


def test_the_salt_is_its_owners_alone_and_the_address_is_in_no_file(tmp_path: Path) -> None:
    visitors(tmp_path).hash(*WHO)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert all(b"203.0.113" not in path.read_bytes() for path in tmp_path.iterdir())


def test_half_characters_are_no_obstacle(tmp_path: Path) -> None:
    assert visitors(tmp_path).hash("\ud800", "\ud800", "\x00")
