"""No text of a customer spells a special token, whatever tokens a model has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.special_tokens import SpecialTokens

# Tokens that begin each other, share their beginnings, overlap, or mean something in regular expressions.
TOKENS = ("<|a|>", "<|a|>b", "<|ab|>", "<s>", "\\n", "\\d+", "[X]", "X]<", "(.*", "|>")


@given(st.lists(st.sampled_from((*TOKENS, "<", "|", "a", "\\", "[", " ", "\n")), max_size=12).map("".join))
def test_every_spelling_is_broken_and_nothing_else_changes(text: str) -> None:
    special = SpecialTokens(TOKENS)
    neutral = special.neutralise(text)
    assert not any(token in neutral for token in TOKENS)
    assert neutral.replace(" ", "") == text.replace(" ", "")
    assert special.absent(text) == (neutral == text)


def test_a_thousand_tokens_are_found_as_well_as_a_few() -> None:
    special = SpecialTokens([f"<SPECIAL_{number}>" for number in range(1000)])
    assert special.neutralise("<SPECIAL_7><SPECIAL_999><SPECIAL_1000>") == "< SPECIAL_7>< SPECIAL_999><SPECIAL_1000>"


@pytest.mark.parametrize("tokens", [(), ("\n",)])
def test_tokens_of_no_or_one_character_need_no_expression(tokens: tuple[str, ...]) -> None:
    special = SpecialTokens(tokens)
    assert special.neutralise("a\nb") == ("a?b" if tokens else "a\nb")
    assert special.absent("a\nb") != bool(tokens)
