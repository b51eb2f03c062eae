"""kill -9 at random moments: under load, between a call to the CRM and its outcome, and while links are clicked."""

from pathlib import Path

from tests import chaos
from tests.scoreboard.power_cuts import score_of
from tests.scoreboard.pytests import trials
from tests.scoreboard.score import Score

ROUNDS = 10
TESTS = (
    "tests/core/test_journal_kill.py",
    "tests/delivery/test_kill.py",
    "tests/durability/test_clicks.py::test_every_redirect_that_was_served_is_counted_across_three_kills",
)


def run(folder: Path, seed: int) -> Score:
    outcome = chaos.run(folder / "chaos", rounds=ROUNDS, seed=seed)
    tried = trials(folder, *TESTS)
    score = score_of(outcome, f"{ROUNDS} kills under load, {len(outcome.acknowledged):,} leads acknowledged")
    score.trials += f"; {tried.passed} more sorts of kill (journal, CRM calls, clicks)"
    score.lost += len(tried.failed)  # each of them says that something is not there, or not once
    score.problems += tried.failed
    return score
