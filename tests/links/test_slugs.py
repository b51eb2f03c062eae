"""What a short link may be called."""

import pytest

from site2crm.core.errors import Invalid
from site2crm.core.reserved import SEGMENTS
from site2crm.links import slugs


@pytest.mark.parametrize(
    "slug", ["a", "7", "spring-sale", "Spring_Sale", "x" * 64, "été", "Весна", "東京タワー", "café-2026", "हिन्दी"]
)
def test_letters_digits_hyphen_and_underscore_are_fine(slug: str) -> None:
    assert slugs.checked(slug) == slug


def test_blanks_around_it_are_not_part_of_it() -> None:
    assert slugs.checked(" spring ") == "spring"


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("", "At least one"),
        ("   ", "At least one"),
        ("-_-", "At least one letter"),
        ("x" * 65, "At most 64"),
        ("x" * 100_000, "At most 64"),
        ("a/b", "slash"),
        ("../etc", "dot"),
        ("..", "dot"),
        ("robots.txt", "dot"),
        ("a\\b", "backslash"),
        ("50%", "percent"),
        ("%2e%2e", "percent"),
        ("a b", "-"),
        ("a+b", "plus"),
        ("a?b", "question mark"),
        ("a#b", "#"),
        ("a@b", "@"),
        ("a\tb", "U+0009"),
        ("a\nb", "U+000A"),
        ("a\x00b", "U+0000"),
        ("a\u200bb", "U+200B"),
        ("a\u202eb", "U+202E"),
        ("a\ufeffb", "U+FEFF"),
        ("a\u00a0b", "U+00A0"),
        ("\ud800", "U+D800"),
        ("party🎉", "letters, digits"),
        ("👩‍💻", "letters, digits"),
        ("שלום", "right to left"),
        ("مرحبا", "right to left"),
        ("١٢٣", "right to left"),
        ("½", "letters, digits"),
        ("ｆｕｌｌ", "“full”"),
        ("ﬁx", "“fix”"),
        ("cafe\u0301", "“café”"),
        ("p\u0430ypal", "one script"),
        ("αbc", "one script"),
        ("\u0301abc", "Begin"),
        ("a\u0335\u0335\u0335", "letters, digits"),
        ("login", "page of this product"),
        ("LOGIN", "page of this product"),
        ("api", "page of this product"),
        ("F", "page of this product"),
        ("<script>", "letters, digits"),
        ("'--", "letters, digits"),
    ],
)
def test_what_cannot_be_seen_or_told_apart_is_refused_with_the_cure(slug: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        slugs.checked(slug)

    [error] = refused.value.errors
    assert error.field == "slug"
    assert words in error.message


@pytest.mark.parametrize("one", ["Spring", "SPRING", "spring"])
def test_case_does_not_tell_two_slugs_apart(one: str) -> None:
    assert slugs.key(one) == "spring"


def test_the_key_folds_letters_of_every_script() -> None:
    assert slugs.key("ÉTÉ") == slugs.key("été")
    assert slugs.key("ВЕСНА") == slugs.key("весна")


def test_generated_slugs_are_seven_signs_without_look_alikes_or_words() -> None:
    made = {slugs.generated() for _ in range(2_000)}

    assert len(made) == 2_000
    assert {len(slug) for slug in made} == {7}
    assert not set("".join(made)) & set("01iloaeu")
    assert not made & SEGMENTS
    assert all(slugs.checked(slug) == slugs.key(slug) for slug in made)


def test_no_reserved_word_could_be_generated() -> None:
    assert [word for word in SEGMENTS if set(word) <= set(slugs.ALPHABET) and len(word) == slugs.GENERATED_LENGTH] == []
