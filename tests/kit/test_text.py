"""One table of search cases; the databases' own tests run over the same rules."""

import pytest

from site2crm.kit.text import fold, search_query, search_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Straße", "strasse"),
        ("Ｅ－Ｍａｉｌ", "e-mail"),
        ("Échantillon", "echantillon"),
        ("Łódź Øre", "lodz ore"),
        ("Ονοματεπώνυμο", "ονοματεπωνυμο"),
        ("が", "が"),
        ("한국어", "한국어"),
    ],
)
def test_folding_removes_case_width_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


def found(query: str, *parts: str) -> bool:
    words = search_text(*parts).split()
    return all(any(word.startswith(term) for word in words) for term in search_query(query))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ada", "ada.sample@example.com"),
        ("sample@exam", "ada.sample@example.com"),
        ("ADA SAM", "Ada Sample"),
        ("muller", "Müller GmbH"),
        ("HAUPTSTRASSE", "Hauptstraße 1"),
        ("pricing", "https://www.example.com/pricing?x=1"),
        ("東京", "東京都渋谷区"),
        ("渋谷", "東京都渋谷区"),
        ("区", "東京都渋谷区"),
        ("홍길", "홍길동"),
        ("+1 202 555", "+1 (202) 555-0143"),
        ("2025550143", "+1 (202) 555-0143"),
        ("202-555-0143", "+12025550143"),
    ],
)
def test_a_lead_is_found_by_the_beginning_of_its_words(query: str, text: str) -> None:
    assert found(query, text)


@pytest.mark.parametrize(("query", "text"), [("京渋", "東京都渋谷区"), ("bob", "Ada Sample"), ("ample", "Ada Sample")])
def test_what_is_not_there_is_not_found(query: str, text: str) -> None:
    assert not found(query, text)


def test_query_terms_are_letters_and_digits_only() -> None:
    assert search_query('"a" OR b* NOT (c) & d:e\' --') == ["a", "or", "b", "not", "c", "d", "e"]
    assert search_query(" ' \" ") == []
