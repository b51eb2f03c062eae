"""Names as they are written."""

import pytest

from site2crm.kit.names import name_case


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("ada lovelace", "Ada Lovelace"),
        ("ADA LOVELACE", "Ada Lovelace"),
        ("  ada   lovelace ", "Ada Lovelace"),
        ("Ronald McDonald", "Ronald McDonald"),
        ("ronald MCDONALD", "Ronald McDonald"),
        ("van der Berg", "van der Berg"),
        ("VAN DER BERG", "van der Berg"),
        ("ludwig van beethoven", "Ludwig van Beethoven"),
        ("VAN", "Van"),
        ("anne-marie", "Anne-Marie"),
        ("SEAN O'NEILL", "Sean O'Neill"),
        ("conan o’brien", "Conan O’Brien"),
        ("ada's", "Ada's"),
        ("jean-luc de la tour", "Jean-Luc de la Tour"),
        ("mc", "Mc"),
        ("josé ÁLVAREZ", "José Álvarez"),
        ("李小龍", "李小龍"),
        ("", ""),
    ],
)
def test_names_take_their_usual_letters(typed: str, written: str) -> None:
    assert name_case(typed) == written
