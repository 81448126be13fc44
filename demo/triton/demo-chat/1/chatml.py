"""Qwen's format: ChatML turns, tools and their results between XML-like marks, thinking in `<think>`."""

import json
import re

from conversation import Call, Conversation, Result, Tool, tool_of
from vocabulary import Turn, Vocabulary

THINKING = "<think>"
_TOOLS = re.compile(r"\n*# Tools\n.*?<tools>\n(.*?)\n</tools>.*\Z", re.DOTALL)
_CALL = re.compile(r"\n?<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)
_RESULT = re.compile(r"<tool_response>\n(.*?)\n</tool_response>", re.DOTALL)
_THOUGHT = re.compile(r"\A<think>\n.*?</think>\s*", re.DOTALL)
_FILL = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


class ChatML:
    """Reads prompts and writes answers."""

    STOPS = ("<|im_end|>",)

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._start = vocabulary.id_of("<|im_start|>")
        self._fill = [vocabulary.id_of(text) for text in _FILL]

    def read(self, prompt: list[int]) -> Conversation:
        """The conversation in a prompt; one without turns is a plain completion: one message of the user."""
        if self._fill[0] in prompt and self._fill[2] in prompt:
            return self._with_gap(prompt)
        conversation = Conversation(turns=[])
        called: list[str] = []
        for turn in self._vocabulary.turns(prompt, start=self._start, ends=self._vocabulary.stops):
            if turn.role == "system":
                conversation.turns.append(Turn("system", self._without_tools(turn.text, conversation)))
            elif turn.role == "assistant":
                called = [name for name in map(_name_of, _CALL.findall(turn.text)) if name]
                conversation.turns.append(Turn("assistant", _CALL.sub("", _THOUGHT.sub("", turn.text))))
            elif turn.role == "user" and turn.text.lstrip("\n").startswith("<tool_response>"):
                names = [*called, *[""] * turn.text.count("<tool_response>")]
                conversation.results += map(Result, names, _RESULT.findall(turn.text))
            else:
                conversation.results = []
                conversation.turns.append(turn)
        last = conversation.turns[-1]
        conversation.thinking = last.role == "assistant" and last.text.strip() == THINKING
        return conversation

    def write(self, thought: str | None, text: str, calls: list[Call]) -> list[str]:
        """The pieces of an answer. `thought` continues a thinking that the prompt has opened; None: it has not."""
        pieces = [] if thought is None else [f"{thought}\n</think>\n\n"]
        if text:
            pieces.append(text)
        for call in calls:
            body = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
            pieces.append(f"{'' if not text and call is calls[0] else chr(10)}<tool_call>\n{body}\n</tool_call>")
        return pieces

    def malformed(self, thought: str | None) -> list[str]:
        """A call that breaks off in the middle of its JSON, between its marks."""
        return [*self.write(thought, "", []), '<tool_call>\n{"name": "unfinished", "arguments": {"a": \n</tool_call>']

    def thinks(self, conversation: Conversation) -> bool:
        """Whether an answer begins with thinking: where the prompt has opened it."""
        return conversation.thinking

    @staticmethod
    def _without_tools(text: str, conversation: Conversation) -> str:
        found = _TOOLS.search(text)
        if found is None:
            return text
        conversation.tools += [tool for line in found[1].splitlines() if (tool := _tool(line))]
        return text[: found.start()]

    def _with_gap(self, prompt: list[int]) -> Conversation:
        text = self._vocabulary.decode(prompt, special=True)
        before, _, rest = text.partition(_FILL[0])[2].partition(_FILL[1])
        behind = rest.partition(_FILL[2])[0]
        return Conversation(turns=[Turn("user", before)], gap=(before, behind))


def _tool(line: str) -> Tool | None:
    try:
        return tool_of(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _name_of(body: str) -> str:
    try:
        return str(json.loads(body)["name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
