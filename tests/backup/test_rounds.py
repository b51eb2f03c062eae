"""Two rounds of backup under load; `make soak` runs twenty."""

from pathlib import Path

from tests.backup import rounds


def test_what_was_acknowledged_before_a_backup_is_in_it_whatever_the_consumers_did(tmp_path: Path) -> None:
    outcome = rounds.run_rounds(tmp_path, rounds=2, seed=20261122)

    assert outcome.expected
    assert outcome.well, outcome.line()
