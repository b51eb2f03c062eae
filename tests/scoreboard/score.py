"""What a discipline came to."""

from dataclasses import dataclass, field


@dataclass
class Score:
    """Zeros are what is promised. `problems` are whatever else went wrong, in words; they count as failures too."""

    trials: str = ""
    """How much was tried, with its unit: "12 power cuts, 8,123 leads"."""
    lost: int = 0
    doubled: int = 0
    crossed: int = 0
    errors: int = 0
    """Answers that are our own fault: 5xx, except for the 503 that says when to come back, or none at all."""
    note: str = ""
    problems: list[str] = field(default_factory=list)
    not_run: str = ""
    """Why it could not be tried on this machine. Never the same as passed."""

    @property
    def well(self) -> bool:
        return not (self.lost or self.doubled or self.crossed or self.errors or self.problems)

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        return self.lost, self.doubled, self.crossed, self.errors


def none_run(why: str) -> Score:
    return Score(not_run=why)
