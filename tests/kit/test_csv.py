"""Exports open in spreadsheets without running anything."""

import csv as stdlib_csv
import io

import pytest

from site2crm.kit import csv


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠x", " =1+1", "\u00a0=1"]
)
def test_formulas_are_made_inert(formula: str) -> None:
    assert csv.cell(formula) == "'" + formula


@pytest.mark.parametrize("text", ["Ada", "a=b", "1-2", "", "ada@example.com"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert csv.cell(text) == text


def test_a_file_reads_back_as_it_was_written() -> None:
    rows = [["Ada", 'says "hi", twice', "two\nlines"], ["Zoé;", None, " x "]]

    text = "".join(csv.lines(["a", "b", "c"], rows))

    assert text.startswith(csv.BOM)
    back = list(stdlib_csv.reader(io.StringIO(text.removeprefix(csv.BOM), newline="")))
    assert back == [["a", "b", "c"], ["Ada", 'says "hi", twice', "two\nlines"], ["Zoé;", "", " x "]]
