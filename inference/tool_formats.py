"""How models write calls of tools, and what an engine and the answer need for it."""

from msgspec import Struct

from inference.parsers import TOOL_CALLS, ToolParser, Tools

# Their markers are special tokens, which an engine leaves out of the text unless told otherwise; those of Hermes and
# GLM are in some models.
SPECIAL_TOKENS = frozenset({"mistral", "openai", "hermes", "glm45"})
# Their chat templates insist on ids of nine letters and digits.
SHORT_IDS = frozenset({"mistral"})


class ToolFormat(Struct, frozen=True):
    """A model's format, by its name in `inference.parsers.TOOL_CALLS`."""

    name: str

    @property
    def special_tokens(self) -> bool:
        """Whether its markers are special tokens."""
        return self.name in SPECIAL_TOKENS

    @property
    def short_ids(self) -> bool:
        """Whether ids of calls are nine letters and digits."""
        return self.name in SHORT_IDS

    def parser(self, tools: Tools) -> ToolParser:
        """A parser of one answer."""
        return TOOL_CALLS[self.name](tools)


def tool_format(name: str) -> ToolFormat | None:
    """The format of this name; None where there is none."""
    return ToolFormat(name) if name in TOOL_CALLS else None
