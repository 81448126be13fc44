"""Takes the place of vLLM's AsyncLLM: checks a request, plans what to say, and yields the growing answers in time."""

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from chatml import ChatML
from conversation import Conversation
from directives import Directives, read_directives
from harmony import Harmony
from pictures import tokens_of
from sampling import SamplingParams
from sequence import Sequence
from speaker import Look, Speaker
from vocabulary import Turn, Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_LOGPROBS = 20
# How often a request that has nothing to say yet looks whether it was cancelled, in seconds.
HEARTBEAT_SECONDS = 0.1
# Behind its pace by this much, a sequence sends several tokens in one response.
LATE_SECONDS = 0.1
# Stands for an image in a prompt.
IMAGE = "<|image_pad|>"


class EngineDeadError(RuntimeError):
    """What vLLM says when its engine process failed."""

    def __init__(self) -> None:
        super().__init__("EngineCore encountered an issue. See stack trace (above) for the root cause.")


class RunDry(Exception):
    """The directive [[dry]]: end the response without a finish reason."""


class Engine:
    """One model on one vocabulary; `pace` is in tokens per second and choice, 0 means as fast as possible."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        dialect: ChatML | Harmony,
        look: Look,
        *,
        name: str,
        pace: float,
        max_model_len: int,
    ) -> None:
        self._vocabulary = vocabulary
        self._dialect = dialect
        self._look = look
        self._image = vocabulary.id_of(IMAGE)
        self._name = name
        self._pace = pace
        self._max_model_len = max_model_len
        self._failed_once: set[bytes] = set()

    def encode(self, prompt: str) -> list[int]:
        """Tokens of the prompt, special ones included."""
        return self._vocabulary.encode(prompt)

    def with_pictures(self, prompt: list[int], pictures: "list[Image]") -> list[int]:
        """The prompt with as many tokens for each picture as it takes. Raises ValueError where they do not match."""
        places = prompt.count(self._image)
        if places != len(pictures):
            raise ValueError(
                f"Expected there to be {len(pictures)} prompt placeholders corresponding to {len(pictures)} "
                f"image items, but instead found {places} prompt placeholders!"
            )
        sizes = map(tokens_of, pictures)
        return [token for token in prompt for _ in range(next(sizes) if token == self._image else 1)]

    async def generate(
        self, prompt: list[int], params: SamplingParams, pictures: "list[Image]"
    ) -> AsyncIterator[list[Sequence] | None]:
        """All `n` sequences each time they have grown; None as a heartbeat while there is nothing new.

        Raises ValueError with vLLM's text for what the engine refuses, and what the directives order.
        """
        self._check(prompt, params)
        conversation = self._dialect.read(prompt)
        orders = self._orders(conversation)
        digest = hashlib.sha256(repr(prompt).encode()).digest()
        if orders.fail_first and digest not in self._failed_once:
            self._failed_once.add(digest)
            raise EngineDeadError
        clock = asyncio.get_running_loop().time
        wake = clock() + orders.delay
        while orders.hang or clock() < wake:
            yield None
            await asyncio.sleep(HEARTBEAT_SECONDS if orders.hang else min(HEARTBEAT_SECONDS, max(0.0, wake - clock())))
        sequences = [
            self._sequence(conversation, orders, prompt, params, pictures, index, digest) for index in range(params.n)
        ]
        pace = self._pace if orders.pace is None else orders.pace
        began, steps, unsent = clock(), 0, False
        while any(sequence.finish_reason is None for sequence in sequences):
            if unsent and _is_due(orders, steps):
                yield sequences
            _obey(orders, steps)
            steps += 1
            due = began + steps / pace if pace else 0.0
            while pace and clock() < due:
                if due - clock() > HEARTBEAT_SECONDS:
                    yield None
                await asyncio.sleep(min(HEARTBEAT_SECONDS, max(0.0, due - clock())))
            for sequence in sequences:
                sequence.step()
            # An engine that is ahead of its consumer hands over several tokens at once, as vLLM does.
            unsent = bool(pace) and clock() > due + LATE_SECONDS
            if not unsent or all(sequence.finish_reason for sequence in sequences):
                unsent = False
                yield sequences
                await asyncio.sleep(0)

    def _orders(self, conversation: Conversation) -> Directives:
        """The directives of the user's last message; takes those of every message out of the conversation."""
        orders = Directives()
        turns = conversation.turns
        last = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
        for index, turn in enumerate(turns):
            found, text = read_directives(turn.text)
            if index == last:
                orders = found
            turns[index] = Turn(turn.role, text)
        return orders

    def _sequence(
        self,
        conversation: Conversation,
        orders: Directives,
        prompt: list[int],
        params: SamplingParams,
        pictures: "list[Image]",
        index: int,
        digest: bytes,
    ) -> Sequence:
        rng = random.Random(_seed(params, index, digest))
        room = self._max_model_len - len(prompt)
        limit = room if params.max_tokens is None else min(params.max_tokens, room)
        speaker = Speaker(conversation, orders, params.constraint, pictures, self._look, rng)
        return Sequence(self._vocabulary, params, self._speech(speaker), rng, limit=limit, exact=orders.tokens)

    def _speech(self, speaker: Speaker) -> Iterator[int | None]:
        """The tokens of what the speaker says, None where it wants to end."""
        for piece in speaker.speech(self._dialect):
            if piece is None:
                yield None
            else:
                yield from self._vocabulary.encode(piece)

    def _check(self, prompt: list[int], params: SamplingParams) -> None:
        size = self._vocabulary.size
        if not prompt:
            raise ValueError("The decoder prompt cannot be empty")
        if len(prompt) >= self._max_model_len:
            raise ValueError(
                f"The decoder prompt (length {len(prompt)}) is longer than the maximum model length of "
                f"{self._max_model_len}. Make sure that `max_model_len` is no smaller than the number of text tokens."
            )
        wanted = size if params.logprobs == -1 else params.logprobs or 0
        if wanted > MAX_LOGPROBS:
            raise ValueError(
                f"Requested sample logprobs of {wanted}, which is greater than max allowed: {MAX_LOGPROBS}"
            )
        for name, tokens in (("stop_token_ids", params.stop_token_ids), ("logit_bias", params.logit_bias or ())):
            unknown = [token for token in tokens if not 0 <= token < size]
            if unknown:
                raise ValueError(
                    f"token_id(s) {unknown} in {name} contain out-of-vocab token ids. Vocabulary size: {size}"
                )
        if params.allowed_token_ids is not None:
            if not params.allowed_token_ids:
                raise ValueError("allowed_token_ids is not None and empty!")
            if not all(0 <= token < size for token in params.allowed_token_ids):
                raise ValueError("allowed_token_ids contains out-of-vocab token id!")


def _seed(params: SamplingParams, index: int, digest: bytes) -> bytes:
    # One candidate is no choice: these settings are as good as greedy, as with a real model.
    if params.greedy or params.top_k == 1:
        return digest
    if params.seed is None:
        return os.urandom(16)
    # vLLM gives choice i the seed `seed + i`.
    return hashlib.sha256(digest + f"{params.temperature:g}/{params.seed + index}".encode()).digest()


def _is_due(orders: Directives, steps: int) -> bool:
    return steps in (orders.crash_after, orders.fail_after, orders.dry_after)


def _obey(orders: Directives, steps: int) -> None:
    """Fail as ordered when `steps` tokens are out."""
    if orders.crash_after is not None and steps >= orders.crash_after:
        os._exit(70)
    if orders.fail_after is not None and steps >= orders.fail_after:
        raise EngineDeadError
    if orders.dry_after is not None and steps >= orders.dry_after:
        raise RunDry
