"""Texts that a model is to go on with, before they are prompts."""

from collections.abc import Sequence

from msgspec import Struct

from inference.generation import Sampling


class Completion(Struct, frozen=True, kw_only=True):
    """What is asked for, in the words of the steps that follow."""

    # Each a text, or token ids of the model's; an empty text begins as a document does.
    prompts: Sequence[str | Sequence[int]]
    # The fields of the body that hold them, for errors.
    params: Sequence[str]
    sampling: Sampling
    # Tokens of each answer.
    output_limit: int
    # Answers to each prompt, and how many of them are made for the best to be taken.
    n: int = 1
    best_of: int = 1
    # What comes after the gap that is to be filled; None: there is none.
    suffix: str | None = None
    # Each answer begins with its prompt.
    echo: bool = False
    stop: tuple[str, ...] = ()
    # None: no logprobs; 0: of the chosen token only; k: also of the k likeliest.
    top_logprobs: int | None = None
