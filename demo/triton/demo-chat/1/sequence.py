"""One answer while it grows: choosing tokens by the request's rules, turning them into text, knowing when to stop."""

import codecs
import math
import random
from collections.abc import Callable, Iterator

from sampling import SamplingParams
from vocabulary import Vocabulary

# A bias of this size decides by itself, as it does in a real model.
DECISIVE_BIAS = 50.0
# From one invented alternative to the next. A prime, so that the walk meets every token before it repeats.
STRIDE = 1009
# Of the probability that is left, the next likeliest token has this much.
SHARE_OF_THE_REST = 0.6


class Sequence:
    """The state that vLLM calls a completion output."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        params: SamplingParams,
        speech: Iterator[int | None],
        rng: random.Random,
        *,
        limit: int,
        exact: int | None = None,
    ) -> None:
        """`speech` yields what the model wants to say, None where it wants to end; `limit` and `exact` are tokens."""
        self.token_ids: list[int] = []
        self.text = ""
        self.finish_reason: str | None = None
        self.cumulative_logprob = 0.0
        self.logprobs: list[dict[int, dict[str, object]]] | None = None if params.logprobs is None else []
        self._vocabulary = vocabulary
        self._params = params
        self._speech = speech
        self._rng = rng
        self._limit = limit
        self._exact = exact
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._full_text = ""
        self._searched = 0
        self._held_back = 0
        if params.stop and not params.include_stop_str_in_output:
            self._held_back = max(len(stop) for stop in params.stop) - 1
        self._choose = _chooser(vocabulary, params)

    def step(self) -> None:
        """Generate one token. Nothing happens once the sequence is finished."""
        if self.finish_reason is not None:
            return
        token = self._next_token()
        self.token_ids.append(token)
        self._note_logprob(token)
        ends = self._ending(token)
        shown = token not in self._vocabulary.special or not self._params.skip_special_tokens
        if shown and (ends != "stop" or self._params.include_stop_str_in_output):
            self._full_text += self._decode(self._vocabulary.bytes_of(token))
        self.finish_reason = self._cut_at_stop_string() or ends
        if self.finish_reason is None and self._held_back:
            self.text = self._full_text[: -self._held_back]
        else:
            self.text = self._full_text

    def _next_token(self) -> int:
        if self._exact is not None and len(self.token_ids) + 1 >= self._exact and not self._params.ignore_eos:
            wanted = self._vocabulary.eos
        else:
            wanted = self._say()
        return self._choose(wanted, self._say, self.token_ids, self._rng)

    def _say(self) -> int:
        """The next token of the speech; its end is skipped where the answer must go on."""
        for token in self._speech:
            if token is not None:
                return token
            if not self._params.ignore_eos and self._exact is None:
                return self._vocabulary.eos
        return self._vocabulary.eos

    def _ending(self, token: int) -> str | None:
        if token in self._vocabulary.stops and not self._params.ignore_eos:
            return "stop"
        if token in self._params.stop_token_ids:
            return "stop"
        if len(self.token_ids) >= self._limit:
            return "length"
        return None

    def _cut_at_stop_string(self) -> str | None:
        if not self._params.stop or len(self.token_ids) <= self._params.min_tokens:
            self._searched = len(self._full_text)
            return None
        # A stop may have begun in earlier tokens; further back it would have been found already.
        begin = max(0, self._searched - max(len(stop) for stop in self._params.stop) + 1)
        self._searched = len(self._full_text)
        hits = [(self._full_text.find(stop, begin), stop) for stop in self._params.stop]
        start, stop = min((hit for hit in hits if hit[0] >= 0), default=(-1, ""))
        if start < 0:
            return None
        self._full_text = self._full_text[: start + len(stop) if self._params.include_stop_str_in_output else start]
        return "stop"

    def _note_logprob(self, token: int) -> None:
        # The same draws with and without logprobs: asking for them must not change the text.
        rank = 2 if not self._params.greedy and self._rng.random() < 0.15 else 1
        best = self._rng.uniform(0.45, 0.97)
        self.cumulative_logprob += math.log(best if rank == 1 else (1.0 - best) * SHARE_OF_THE_REST)
        if self.logprobs is not None:
            top = max(0, self._params.logprobs or 0)
            self.logprobs.append(invent_logprobs(self._vocabulary, token, top, rank, best))


Chooser = Callable[[int, Callable[[], int], list[int], random.Random], int]


def _chooser(vocabulary: Vocabulary, params: SamplingParams) -> Chooser:
    """A function that turns the wanted token into one that bias, bad words, allow-list and `min_tokens` permit."""
    bias = params.logit_bias or {}
    forced = max((token for token in bias if bias[token] >= DECISIVE_BIAS), key=lambda token: bias[token], default=None)
    banned = {token for token, value in bias.items() if value <= -DECISIVE_BIAS}
    enders = {*vocabulary.stops, *params.stop_token_ids}
    bad = [tokens for word in params.bad_words for tokens in _spellings(vocabulary, word)]
    allowed = sorted(set(params.allowed_token_ids or ()))
    unbound = not (banned or bad or allowed or params.min_tokens or forced is not None)

    def permitted(token: int, so_far: list[int]) -> bool:
        if token in banned or (len(so_far) < params.min_tokens and token in enders):
            return False
        if allowed and token not in allowed:
            return False
        return not any(
            word[-1] == token and so_far[len(so_far) - len(word) + 1 :] == word[:-1]
            for word in bad
            if len(word) - 1 <= len(so_far)
        )

    def choose(wanted: int, say: Callable[[], int], so_far: list[int], rng: random.Random) -> int:
        if unbound:
            return wanted
        if forced is not None and permitted(forced, so_far):
            return forced
        token = wanted
        if not allowed:
            # The speech goes on without what it may not say; a finite one has ended after so many attempts.
            for _ in range(500):
                if permitted(token, so_far):
                    return token
                token = say()
        elif permitted(token, so_far):
            return token
        candidates = [other for other in allowed or range(vocabulary.size) if permitted(other, so_far)]
        return rng.choice(candidates) if candidates else vocabulary.eos

    return choose


def _spellings(vocabulary: Vocabulary, word: str) -> list[list[int]]:
    plain, spaced = vocabulary.encode(word.lstrip()), vocabulary.encode(" " + word.lstrip())
    return [tokens for tokens in (plain, spaced) if tokens]


def invent_logprobs(
    vocabulary: Vocabulary, token: int, top: int, rank: int, best: float
) -> dict[int, dict[str, object]]:
    """Log probabilities in which `token` has `rank` and the likeliest token the probability `best`.

    The sampled token comes first, then the `top` likeliest by rank; the probabilities sum to less than 1.

    As in vLLM there are `top` entries when the sampled token is among the likeliest, else one more.
    """
    probabilities = [best]
    while len(probabilities) < max(top, rank):
        probabilities.append((1.0 - sum(probabilities)) * SHARE_OF_THE_REST)
    entries = {token: _entry(vocabulary, token, probabilities[rank - 1], rank)}
    other = token
    for place in range(1, top + 1):
        if place == rank:
            continue
        while other in entries:
            other = (other + STRIDE) % vocabulary.size
        entries[other] = _entry(vocabulary, other, probabilities[place - 1], place)
    return entries


def _entry(vocabulary: Vocabulary, token: int, probability: float, rank: int) -> dict[str, object]:
    return {"logprob": math.log(probability), "rank": rank, "decoded_token": vocabulary.text_of(token)}
