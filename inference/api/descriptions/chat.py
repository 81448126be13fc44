"""Chat completions."""

from inference.api.answers.chat import ChatChunk, ChatCompletion
from inference.api.openapi import Example, Operation
from inference.api.schemas.chat import ChatRequest
from inference.api.schemas.chat.checks import REFUSED, REFUSED_UNLESS_EMPTY

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
CREATE_CHAT_COMPLETION = Operation(
    id="createChatCompletion",
    summary="Answer a conversation",
    tag="Text",
    description="OpenAI's chat completions, with the extra fields of vLLM. Unknown fields are accepted, null means"
    " absent.",
    request=ChatRequest,
    refused=frozenset((*REFUSED, *REFUSED_UNLESS_EMPTY, "function_call", "add_generation_prompt")),
    answer=ChatCompletion,
    events=ChatChunk,
    of_model=True,
    examples={
        "plain": Example(
            summary="A question",
            body={"model": "demo-chat", "messages": [{"role": "user", "content": "What is a hanse?"}]},
        ),
        "streamed": Example(
            summary="Streamed, with the usage at the end",
            body={
                "model": "demo-chat",
                "messages": [
                    {"role": "system", "content": "Answer in one sentence."},
                    {"role": "user", "content": "What is a cog?"},
                ],
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_completion_tokens": 100,
                "temperature": 0,
            },
        ),
        "tools": Example(
            summary="A function that may be called",
            body={
                "model": "demo-chat",
                "messages": [{"role": "user", "content": "What is the weather in Lübeck?"}],
                "tools": [WEATHER],
                "tool_choice": "auto",
            },
        ),
        "structured": Example(
            summary="An answer that fits a JSON Schema",
            body={
                "model": "demo-chat",
                "messages": [{"role": "user", "content": "Name a port."}],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "port",
                        "strict": True,
                        "schema": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}},
                            "required": ["name"],
                            "additionalProperties": False,
                        },
                    },
                },
            },
        ),
    },
    example_answer={
        "id": "chatcmpl-019aa7c1-5f4e-7cc2-9d3b-0e7f5a2b1c4d",
        "object": "chat.completion",
        "created": 1795276800,
        "model": "demo-chat",
        "service_tier": "default",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "A league of merchants.",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 12,
            "completion_tokens": 6,
            "total_tokens": 18,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    },
    example_events='data: {"id":"chatcmpl-019aa7c1-…","object":"chat.completion.chunk","created":1795276800,"model":'
    '"demo-chat","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"A"},'
    '"logprobs":null,"finish_reason":null}]}\n\ndata: [DONE]\n\n',
)
