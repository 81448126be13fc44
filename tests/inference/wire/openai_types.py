"""Bodies of answers, held against the types of the openai package."""

from typing import Any, TypeVar

from openai.types import Completion, ImageEditCompletedEvent, ImageGenCompletedEvent, ImagesResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def strict_completion(body: Any) -> ChatCompletion:
    """The whole answer, when every value has exactly the declared type and every key is declared."""
    return known_to_openai(ChatCompletion.model_validate(body, strict=True))


def strict_chunk(body: Any) -> ChatCompletionChunk:
    """The same for the JSON of one event of a stream."""
    return known_to_openai(ChatCompletionChunk.model_validate(body, strict=True))


def strict_text_completion(body: Any) -> Completion:
    """The same for the whole answer to a completion."""
    return known_to_openai(Completion.model_validate(body, strict=True))


def strict_text_chunk(body: Any) -> dict[str, Any]:
    """The same for an event of its stream, where OpenAI, too, writes the null that its type does not know of."""
    choices = [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in body["choices"]]
    strict_text_completion(body | {"choices": choices})
    return body


def strict_images(body: Any) -> ImagesResponse:
    """The same for an answer of images."""
    return known_to_openai(ImagesResponse.model_validate(body, strict=True))


def strict_image_event(body: Any) -> ImageGenCompletedEvent | ImageEditCompletedEvent:
    """The same for the JSON of one event of a stream of images."""
    edited = body["type"].startswith("image_edit.")
    event = ImageEditCompletedEvent if edited else ImageGenCompletedEvent
    return known_to_openai(event.model_validate(body, strict=True))


def known_to_openai(model: Model) -> Model:
    """`model`, when every key, however deep, is one that the package's type declares."""
    assert not model.model_extra, model
    for value in model.__dict__.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                known_to_openai(item)
    return model
