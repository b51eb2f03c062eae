"""Small numbers for what every question filters by: org, kind, reason. Written by one thread, read by many."""

from collections.abc import Sequence
from typing import Any

from site2crm.core.eventstore.schema import NUMBERED, PERSON


class Names:
    def __init__(self) -> None:
        self._codes: dict[str, dict[str, int]] = {}
        self._texts: dict[str, dict[int, str]] = {}
        self._fresh: list[tuple[str, int, str]] = []
        self._written = 0

    def load(self, connection: Any) -> None:
        """Forget what was not committed, read what was."""
        codes: dict[str, dict[str, int]] = {col: {} for col in NUMBERED}
        codes["bot"][""] = PERSON
        for col, code, text in connection.execute("SELECT col, code, txt FROM name ORDER BY code").fetchall():
            codes[col][text] = code
        self._codes = codes
        self._texts = {col: {code: text for text, code in known.items()} for col, known in codes.items()}
        self._fresh, self._written = [], 0

    def find(self, col: str, text: str) -> int | None:
        return self._codes.get(col, {}).get(text)

    def text(self, col: str, code: int) -> str:
        return self._texts[col][code]

    def number(self, col: str, text: str) -> int:
        """The number of a text, a new one if need be. In the writer's thread only."""
        known = self._codes[col]
        if (code := known.get(text)) is None:
            code = max(self._texts[col], default=-1) + 1
            self._texts[col][code] = text  # before the code can be found: a reader looks it up at once
            known[text] = code
            self._fresh.append((col, code, text))
        return code

    def numbers(self, col: str, texts: Sequence[str]) -> list[int]:
        return [self.number(col, text) for text in texts]

    def store(self, connection: Any) -> None:
        """Write the new ones, in the transaction of the rows that use them."""
        if self._fresh:
            connection.executemany("INSERT INTO name VALUES (?, ?, ?)", self._fresh)
            self._written = len(self._fresh)

    def stored(self) -> None:
        """The transaction is committed."""
        del self._fresh[: self._written]
        self._written = 0
