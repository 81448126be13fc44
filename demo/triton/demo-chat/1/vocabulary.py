"""The shipped tokenizer: text to tokens as an engine does it, tokens to bytes, and a prompt's turns."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer


@dataclass(frozen=True)
class Turn:
    """One message of a prompt; `role` is empty for text outside of any message."""

    role: str
    text: str


class Vocabulary:
    """tokenizer.json of demo-chat. A token of `stops` ends an answer; the first is the usual one."""

    def __init__(self, path: Path, stops: Iterable[str]) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self.size = self._tokenizer.get_vocab_size()
        ids = [self.id_of(text) for text in stops]
        self.eos, self.stops = ids[0], frozenset(ids)
        added = self._tokenizer.get_added_tokens_decoder()
        self.special = frozenset(token for token, entry in added.items() if entry.special)
        alphabet = _byte_of_letter()
        self._bytes: list[bytes] = []
        for token in range(self.size):
            if token in added:
                self._bytes.append(added[token].content.encode())
            else:
                self._bytes.append(bytes(alphabet[letter] for letter in self._tokenizer.id_to_token(token)))

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`; the text of a special token becomes that token, as in every engine."""
        return list(self._tokenizer.encode(text).ids)

    def bytes_of(self, token: int) -> bytes:
        """What `token` stands for; may be a part of a UTF-8 character."""
        return self._bytes[token]

    def text_of(self, token: int) -> str:
        """`token` alone as text; a partial character shows as U+FFFD."""
        return self._bytes[token].decode("utf-8", "replace")

    def id_of(self, token: str) -> int:
        """The id of a token by its text."""
        return int(self._tokenizer.token_to_id(token))

    def decode(self, tokens: list[int], *, special: bool = False) -> str:
        """The text of tokens; that of special ones only where asked for."""
        kept = (token for token in tokens if special or token not in self.special)
        return b"".join(self._bytes[token] for token in kept).decode("utf-8", "replace")

    def turns(self, prompt: list[int], *, start: int, ends: Set[int]) -> list[Turn]:
        """The prompt's messages, told apart by these special tokens and by nothing else.

        A message's first line is its role. A prompt without messages is one turn of the user: a plain completion.
        """
        pieces: list[tuple[bool, list[int]]] = [(False, [])]
        for token in prompt:
            if token == start:
                pieces.append((True, []))
            elif token in ends:
                pieces.append((False, []))
            else:
                pieces[-1][1].append(token)
        turns = []
        for is_message, tokens in pieces:
            text = self.decode(tokens)
            if is_message:
                role, _, body = text.partition("\n")
                turns.append(Turn(role.strip(), body))
            elif text.strip():
                turns.append(Turn("", text))
        if not any(turn.role for turn in turns):
            return [Turn("user", " ".join(turn.text for turn in turns))]
        return turns


def _byte_of_letter() -> dict[str, int]:
    """The alphabet of byte-level BPE (GPT-2): printable bytes stand for themselves, the others for U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    letters.update({chr(0x100 + index): byte for index, byte in enumerate(others)})
    return letters
