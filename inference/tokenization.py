"""Counting tokens, and a model's assets: the folder with its tokenizer and chat template."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import tokenizers

from inference.chat_template import ChatTemplate
from inference.fim_template import FimTemplate
from inference.special_tokens import AssetError

__all__ = ["AssetError", "ModelAssets", "Tokenizer", "count_answer", "count_tokens", "load_assets", "may_well_fit"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# The library starts a pool of threads for each batch unless told not to; one text at a time needs none.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Characters that take about a millisecond to count: below, a thread costs more than it saves.
INLINE_CHARACTERS = 4_000
FEWEST_BYTES_PER_TOKEN = 2
# What OpenAI's models, and most since, have between the documents that they are trained on.
DOCUMENT_END = "<|endoftext|>"
# What it takes to turn token ids into text and back, for each.
DECODING_MS_PER_TOKEN = 3e-3
# A text of so many characters per token of the limit is hardly below it: its beginning is counted first.
CHARACTERS_PER_TOKEN = 16

# Counting releases the GIL, so threads of its own keep it from waiting behind other work, and other work behind it.
_counters = ThreadPoolExecutor(max_workers=2, thread_name_prefix="count-tokens")


def disguises(token: str) -> list[str]:
    """Spellings of a token that a normalizer might take for the token itself."""
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in token)
    inserted = (f"{token[:1]}{char}{token[1:]}" for char in "\x01\u0301\u00ad\u200b\u2060")
    return [text for text in (token.upper(), token.lower(), wide, *inserted) if text != token]


class Tokenizer:
    """A model's tokenizer, as its engine uses it: special tokens in the text count as one."""

    def __init__(self, path: Path, *, bos_token: str = "") -> None:
        """Reads a `tokenizer.json`. `bos_token`: what a template may begin with. Raises AssetError."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AssetError(f"{path} cannot be read: {_reason(error)}.") from None
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(text)
        # The library raises bare Exception for whatever it does not understand.
        except Exception as error:  # noqa: BLE001
            raise AssetError(f"{path} is no tokenizer: {error}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._bos_token = bos_token
        # How many token ids there are: valid ones are below.
        self.vocabulary_size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self._refuse_disguises(path)

    def _refuse_disguises(self, path: Path) -> None:
        """Raises AssetError for special tokens that other spellings turn into: the chat template breaks up only theirs.

        Most tokenizers look for special tokens in the text as it is. One that looks after normalizing it would also
        take "<|IM_END|>", or one with an invisible character in it.
        """
        normalizer = self._tokenizer.normalizer
        added = self._tokenizer.get_added_tokens_decoder().values()
        for token in added if normalizer is not None else ():
            if not (token.special and token.normalized):
                continue
            plain = normalizer.normalize_str(token.content)
            if any(normalizer.normalize_str(text) == plain for text in disguises(token.content)):
                problem = f"other spellings turn into the special token {token.content}"
                raise AssetError(f'{path}: {problem}; set its "normalized" to false.')

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The texts that become special ids."""
        added = self._tokenizer.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)

    def encode(self, text: str) -> list[int]:
        """The token ids of a prompt, with one begin-of-sequence token if the model has one."""
        # An engine adds the token; a template that wrote it already would have it twice, which backends prevent.
        bare = bool(self._bos_token) and text.startswith(self._bos_token)
        return self._tokenizer.encode_batch_fast([text], add_special_tokens=not bare)[0].ids

    def count(self, text: str) -> int:
        """The tokens of a prompt; about a microsecond for each."""
        return len(self.encode(text))

    def count_answer(self, text: str) -> int:
        """The tokens of what a model wrote, which nothing is put around."""
        return len(self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids)

    def encode_pair(self, first: str, second: str) -> tuple[list[int], list[int]]:
        """The token ids of two texts as one input, and which of the two (0 or 1) each belongs to."""
        found = self._tokenizer.encode(first, second)
        return found.ids, found.type_ids

    def text_of(self, ids: Sequence[int]) -> str | None:
        """The text that an engine, which takes nothing else, turns into just these ids; None where there is none.

        Ids are below `vocabulary_size`. One begin-of-sequence token is put before them as before any prompt.
        """
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        again = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return text if again == list(ids) else None

    @property
    def document_start(self) -> str | None:
        """What stands before a text that begins with nothing; None for a model that knows no such thing."""
        return self._bos_token or (DOCUMENT_END if DOCUMENT_END in self.special_tokens else None)


def may_well_fit(text: str, tokens: int) -> bool:
    """Whether a text is so small that it hardly has more than `tokens` tokens; costs next to nothing.

    Languages and code come to three or four bytes a token, Chinese and Japanese to two or three; numbers, base64 and
    rare scripts can come to less.
    """
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return size <= FEWEST_BYTES_PER_TOKEN * tokens


async def count_tokens(tokenizer: Tokenizer, text: str, limit: int | None = None) -> int:
    """The tokens of a prompt, counted off the event loop when it is long.

    With a `limit`, counting a text that is far over it stops early: the number is then a lower bound above `limit`.
    """
    if len(text) <= INLINE_CHARACTERS:
        return tokenizer.count(text)
    loop = asyncio.get_running_loop()
    if limit is not None and len(text) > CHARACTERS_PER_TOKEN * limit:
        beginning = text[: CHARACTERS_PER_TOKEN * limit]
        # The last token of a cut text may be another than in the whole.
        at_least = await loop.run_in_executor(_counters, tokenizer.count, beginning) - 1
        if at_least > limit:
            return at_least
    return await loop.run_in_executor(_counters, tokenizer.count, text)


async def beside_counting(
    characters: int, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """What `work` makes of texts of so many characters with a tokenizer; off the event loop when they are long."""
    if characters <= INLINE_CHARACTERS:
        return work(*args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_counters, lambda: work(*args, **kwargs))


async def count_answer(tokenizer: Tokenizer, text: str) -> int:
    """The tokens of an answer, counted off the event loop when it is long."""
    if len(text) <= INLINE_CHARACTERS:
        return tokenizer.count_answer(text)
    return await asyncio.get_running_loop().run_in_executor(_counters, tokenizer.count_answer, text)


@dataclass(frozen=True, slots=True)
class ModelAssets:
    """What a model needs before its engine."""

    tokenizer: Tokenizer
    template: ChatTemplate | None
    fim: FimTemplate | None = None

    @property
    def chat_template(self) -> ChatTemplate:
        """The template of a model that chats; raises AssetError for one that does not."""
        if self.template is None:
            raise AssetError("This model has no chat template.")
        return self.template


def load_assets(
    folder: Path, template_override: str = "", *, fim_template: str = "", chats: bool = True
) -> ModelAssets:
    """The assets in a folder laid out as on Hugging Face. Raises AssetError.

    `tokenizer.json` is required, `tokenizer_config.json` and `special_tokens_map.json` name the special tokens; the
    chat template is `template_override`, else `chat_template.jinja`, else the one in `tokenizer_config.json`, and is
    left out unless the model `chats`.
    """
    if not folder.is_dir():
        raise AssetError(f"{folder} is no folder.")
    config = _json_object(folder / "tokenizer_config.json")
    named = {**_json_object(folder / "special_tokens_map.json"), **config}
    tokens = {name: _token_text(named.get(name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    tokenizer = Tokenizer(folder / "tokenizer.json", bos_token=tokens["bos_token"])
    special = (*tokenizer.special_tokens, *filter(None, tokens.values()), *_additional(named))
    fim = FimTemplate(fim_template, special_tokens=special) if fim_template else None
    if not chats:
        return ModelAssets(tokenizer, None, fim)
    template = template_override or _template(folder, config)
    return ModelAssets(tokenizer, ChatTemplate(template, special_tokens=special, **tokens), fim)


def _template(folder: Path, config: dict[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    if path.exists():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AssetError(f"{path} cannot be read: {_reason(error)}.") from None
    template = config.get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    if not isinstance(template, str) or not template:
        raise AssetError(
            f"{folder} has no chat template: neither chat_template.jinja nor one in tokenizer_config.json."
        )
    return template


def _json_object(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty if there is no such file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AssetError(f"{path} cannot be read: {_reason(error)}.") from None
    if not isinstance(content, dict):
        raise AssetError(f"{path} holds no JSON object.")
    return content


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__


def _token_text(token: Any) -> str:
    """A token's text, which these files write as a string or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _additional(named: dict[str, Any]) -> Iterator[str]:
    listed = named.get("additional_special_tokens")
    if isinstance(listed, list):
        yield from filter(None, map(_token_text, listed))
