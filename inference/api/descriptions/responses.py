"""Responses."""

from inference.api.answers.responses import InputTokens, Response, ResponseEvent
from inference.api.openapi import Example, Operation
from inference.api.schemas.responses import InputRequest, ResponsesRequest

STATEFUL = frozenset({"previous_response_id", "conversation", "prompt"})
PATH = {"response_id": "The id of a response."}

CREATE_RESPONSE = Operation(
    id="createResponse",
    summary="Answer with a response",
    tag="Text",
    description="OpenAI's Responses API without its memory: nothing is stored, `store` is false whatever was asked, and"
    " the input is the whole conversation. Unknown fields and tools are accepted.",
    request=ResponsesRequest,
    refused=STATEFUL | {"background", "moderation"},
    answer=Response,
    events=ResponseEvent,
    of_model=True,
    examples={
        "plain": Example(summary="A question", body={"model": "demo-chat", "input": "What is a hanse?"}),
        "items": Example(
            summary="A conversation with a function, streamed",
            body={
                "model": "demo-chat",
                "instructions": "Answer in one sentence.",
                "input": [{"role": "user", "content": [{"type": "input_text", "text": "The weather in Lübeck?"}]}],
                "tools": [
                    {
                        "type": "function",
                        "name": "get_weather",
                        "parameters": {
                            "type": "object",
                            "properties": {"city": {"type": "string"}},
                            "required": ["city"],
                            "additionalProperties": False,
                        },
                        "strict": True,
                    }
                ],
                "include": ["reasoning.encrypted_content"],
                "store": False,
                "stream": True,
            },
        ),
    },
)
COUNT_INPUT_TOKENS = Operation(
    id="countInputTokens",
    summary="Count the tokens of a response's input",
    tag="Text",
    request=InputRequest,
    refused=STATEFUL,
    answer=InputTokens,
    of_model=True,
    examples={"plain": Example(summary="A question", body={"model": "demo-chat", "input": "What is a hanse?"})},
)


def _nothing(name: str, summary: str) -> Operation:
    return Operation(
        id=name,
        summary=summary,
        tag="Text",
        description="Always 404: responses are not stored.",
        succeeds=False,
        path=PATH,
        errors=frozenset({404}),
    )


GET_STORED = _nothing("getResponse", "A stored response: there are none")
DELETE_STORED = _nothing("deleteResponse", "Delete a stored response: there are none")
CANCEL_STORED = _nothing("cancelResponse", "Cancel a response in the background: there are none")
LIST_STORED_INPUT = _nothing("listInputItems", "The input of a stored response: there are none")
