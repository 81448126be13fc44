"""Writes an answer about what was asked: a handful of intents, the words of the question, and sentences from a list."""

import json
import random
import re

from phrases import CAPITALS, ENGLISH, GERMAN
from sums import find_sum
from topics import WORD, is_german, kind_of, topics_of
from vocabulary import Turn

_SAY = re.compile(
    r"^(?:please |bitte )?(?:say|repeat|reply|answer|respond|output|print|sag|sage|wiederhole|antworte|schreibe?)"
    r"(?: (?:with|only|exactly|just|back|after me|the word|the text|mit|nur|genau|exakt|das wort|den text))*"
    r"(?: ?: ?|\s+)(?:[\"'\u201c\u201e\u00ab](.+?)[\"'\u201d\u201c\u00bb]\.?|(.+))$",
    re.IGNORECASE | re.DOTALL,
)
_CAPITAL = re.compile(r"(?:capital of|hauptstadt (?:von|der))\s+([\w ]+?)\s*[?.!]*$")
_WHO = re.compile(r"\b(?:who|what) are you\b|\byour name\b|\bwer (?:bist du|sind sie)\b|\bwie heißt du\b")
_MY_NAME = re.compile(r"\bmy name\s*\?|\bwhat is my name\b|\bwie heiße ich\b|\bmein name\s*\?")
_NAME_TOLD = re.compile(r"(?:my name is|i am called|ich hei(?:ß|ss)e|mein name ist)\s+(\w+)", re.IGNORECASE)
_PERSONA = re.compile(r"(?:[Yy]ou are|[Dd]u bist|Sie sind|[Yy]our name is|[Dd]u heißt)\s+(?:an? )?([A-ZÄÖÜ]\w+)")
_SMALL_TALK = (
    ("greeting", r"^\W*(?:hello|hi|hey|good (?:morning|day|evening)|hallo|moin|guten (?:tag|morgen|abend)|servus)\b"),
    ("thanks", r"^\W*(?:thanks|thank you|danke|vielen dank)\b"),
    ("goodbye", r"^\W*(?:bye|goodbye|see you|tschüss|auf wiedersehen)\b"),
)
_FUNCTION = re.compile(r"\bdef\s+(\w+)\s*\(([^)]*)\)")
_PARAMETERS = re.compile(r"(?:^|,)\s*(\w+)")
# Of a tool's result so many characters are told.
_LONGEST_RESULT = 2000
_BRIEF = re.compile(r"\b(?:briefly|in one sentence|short answer|be concise|kurz)\b")
_NUMBERS = {
    word: number
    for number, words in enumerate(
        ("two zwei", "three drei", "four vier", "five fünf", "six sechs", "seven sieben", "eight acht", "nine neun"),
        start=2,
    )
    for word in words.split()
}
_MAX_ITEMS = 50
_PYTHON = '''```python
def {name}(items: list[str]) -> int:
    """Count the items that are not empty."""
    count = 0
    for item in items:
        if item:
            count += 1
    return count
```'''
_JAVASCRIPT = """```javascript
function {name}(items) {{
  return items.filter((item) => item !== null).length;
}}
```"""
_SQL = """```sql
SELECT name, COUNT(*) AS total
FROM {name}
GROUP BY name
ORDER BY total DESC;
```"""


class Writer:
    """Answers the last user turn of a conversation; the same turns and random state give the same words."""

    def __init__(self, turns: list[Turn], rng: random.Random) -> None:
        self._turns = turns
        self._rng = rng
        self._system = " ".join(turn.text for turn in turns if turn.role == "system")
        self._asked = next((turn.text for turn in reversed(turns) if turn.role == "user"), "").strip()
        self.german = is_german(self._asked, self._system)
        self._phrases = GERMAN if self.german else ENGLISH
        self._topic, self._other = topics_of(self._asked, german=self.german)
        if not self._topic:
            self._topic, self._other = self._phrases["default_topics"]
        self._body: list[str] = []

    def answer(self) -> str:
        """The whole answer."""
        lower = self._asked.lower()
        said = _SAY.match(self._asked)
        if said:
            return str(said[1] or said[2]).strip()
        for known in (self._sum, self._capital, self._small_talk, self._name):
            text = known(lower)
            if text:
                return text
        for pattern, write in (
            (r"\bjson\b", lambda _: self.json_object()),
            (r"\b(?:summari[sz]e|summary|zusammenfass\w*|fasse)\b", self._summary),
            (r"\b(?:poem|haiku|gedicht)\b", self._poem),
            (r"\b(?:tell|write|erzähl\w*|schreib\w*)\b.*\b(?:story|tale|geschichte|märchen)\b", self._story),
            (r"\b(?:code|function|program|script|class|python|javascript|sql|funktion|programm)\b", self._code),
            (r"\b(?:list|ideas|steps|tips|ways|examples|reasons|points)\b", self._list),
            (r"\b(?:liste|ideen|schritte|tipps|gründe|beispiele|nenne)\b", self._list),
        ):
            if re.search(pattern, lower):
                return write(lower)
        return self._explain(lower)

    def thought(self) -> str:
        """What is thought before the answer."""
        return self._pick("thought")

    def more(self) -> str:
        """Another paragraph on the same topic."""
        return " ".join(self._sentences(self._rng.randint(3, 5)))

    def word(self) -> str:
        """A short text: what it is about."""
        return self._topic

    def sentence(self) -> str:
        """A sentence about it."""
        return self._sentences(1)[0]

    def from_results(self, results: list[tuple[str, str]]) -> str:
        """An answer that tells what tools found, each by its name and its text."""
        told = [(name or "tool", _readable(text)) for name, text in results]
        if len(told) == 1:
            return self._pick("result", name=told[0][0], text=told[0][1])
        lines = [f"- {name}: {text}" for name, text in told]
        return "\n".join([self._pick("results"), "", *lines])

    def filling(self, before: str, behind: str) -> str:
        """What may stand between two pieces of code, or of text."""
        function = _FUNCTION.findall(before)
        if not function:
            return f"{'' if before.endswith((' ', chr(10))) else ' '}{self.sentence()}"
        names = [name.strip() for name in _PARAMETERS.findall(function[-1][1])]
        value = " + ".join(names) or "None"
        last = before.rpartition("\n")[2]
        if last.strip() == "return":
            return f"{'' if last.endswith(' ') else ' '}{value}"
        indent = "" if last and not last.strip() else "    " if last == "" else "\n    "
        return f"{indent}return {value}{'' if behind.startswith(chr(10)) else chr(10)}"

    def _explain(self, lower: str) -> str:
        opening = self._pick(kind_of(lower))
        if _BRIEF.search(lower) or _BRIEF.search(self._system.lower()):
            return opening
        first = " ".join([opening, *self._sentences(self._rng.randint(2, 3))])
        second = " ".join([*self._sentences(self._rng.randint(1, 3)), self._pick("close")])
        return f"{first}\n\n{second}"

    def _sum(self, lower: str) -> str | None:
        found = find_sum(lower)
        return self._pick("arithmetic", expression=found[0], result=found[1]) if found else None

    def _capital(self, lower: str) -> str | None:
        found = _CAPITAL.search(lower)
        capital = CAPITALS.get(found[1].strip()) if found else None
        return self._pick("capital", country=found[1].strip().title(), capital=capital) if found and capital else None

    def _small_talk(self, lower: str) -> str | None:
        if _WHO.search(lower):
            persona = _PERSONA.search(self._system)
            return self._pick("identity", name=persona[1] if persona else "demo-chat")
        if len(WORD.findall(lower)) > 5:
            return None
        return next((self._pick(kind) for kind, pattern in _SMALL_TALK if re.search(pattern, lower)), None)

    def _name(self, lower: str) -> str | None:
        if not _MY_NAME.search(lower):
            return None
        told = [name for turn in self._turns if turn.role == "user" for name in _NAME_TOLD.findall(turn.text)]
        return self._pick("name_known", name=told[-1]) if told else self._pick("name_unknown")

    def json_object(self) -> str:
        """A JSON object about the topic."""
        keywords = list(dict.fromkeys([self._topic, self._other]))
        value = {"topic": self._topic, "keywords": keywords, "count": len(keywords), "summary": self._pick("close")}
        return json.dumps(value, ensure_ascii=False)

    def _summary(self, lower: str) -> str:
        _, _, text = self._asked.partition(":")
        first = re.split(r"(?<=[.!?])\s+", text.strip())[0]
        return self._pick("summary", text=first) if first else self._explain(lower)

    def _poem(self, lower: str) -> str:
        return "\n".join(self._fill(line) for line in self._phrases["poem"])

    def _story(self, lower: str) -> str:
        return " ".join([self._pick("story"), *self._sentences(3), self._pick("story_end")])

    def _code(self, lower: str) -> str:
        goal = re.search(r"\b(?:to|that|which|um)\s+(\w+(?:\s+\w+){0,2})", lower)
        name = re.sub(r"\W+", "_", goal[1] if goal else self._topic.lower()).strip("_")
        block = _PYTHON
        if re.search(r"\bsql\b", lower):
            block = _SQL
        elif re.search(r"\b(?:javascript|typescript|js)\b", lower):
            block = _JAVASCRIPT
        opening = self._pick("code", what=f"`{name}`")
        return f"{opening}\n\n{block.format(name=name)}\n\n{self._pick('code_close')}"

    def _list(self, lower: str) -> str:
        named = [int(word) if word.isdigit() else _NUMBERS.get(word, 0) for word in WORD.findall(lower)]
        count = next((number for number in named if 0 < number <= _MAX_ITEMS), 5)
        items = list(self._phrases["items"])
        self._rng.shuffle(items)
        lines = [f"{index + 1}. {self._fill(items[index % len(items)])}" for index in range(count)]
        return "\n".join([self._pick("list", count=count), "", *lines])

    def _sentences(self, count: int) -> list[str]:
        chosen = []
        for _ in range(count):
            if not self._body:
                self._body = list(self._phrases["body"])
                self._rng.shuffle(self._body)
            chosen.append(self._fill(self._body.pop()))
        return chosen

    def _pick(self, kind: str, **values: object) -> str:
        return self._fill(self._rng.choice(self._phrases[kind]), **values)

    def _fill(self, sentence: str, **values: object) -> str:
        topic = self._topic
        return sentence.format(t=topic, T=topic[:1].upper() + topic[1:], u=self._other, **values)


def _readable(text: str) -> str:
    """A tool's result as it is said: fields of a JSON object as a list."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and value:
        text = ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items())
    text = text.strip()
    return text if len(text) <= _LONGEST_RESULT else f"{text[:_LONGEST_RESULT]} …"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
