"""Completions."""

from inference.api.answers.completions import TextChunk, TextCompletion
from inference.api.openapi import Example, Operation
from inference.api.schemas.completions import REFUSED, CompletionRequest

CREATE_COMPLETION = Operation(
    id="createCompletion",
    summary="Go on with a text",
    tag="Text",
    description="OpenAI's legacy completions. Prompts are texts or token ids, one or several.",
    request=CompletionRequest,
    refused=frozenset((*REFUSED, "add_special_tokens", "use_beam_search")),
    answer=TextCompletion,
    events=TextChunk,
    of_model=True,
    examples={
        "plain": Example(
            summary="A text to go on with",
            body={"model": "demo-chat", "prompt": "The cog left", "max_tokens": 20, "stop": ["\n"]},
        ),
        "several": Example(
            summary="Two prompts at once, streamed",
            body={"model": "demo-chat", "prompt": ["One,", "Eins,"], "stream": True},
        ),
    },
)
