"""Writes an answer about what was asked: a handful of intents, the words of the question, and sentences from a list."""

import ast
import json
import operator
import random
import re
from collections.abc import Callable

from phrases import CAPITALS, ENGLISH, GERMAN, GERMAN_HINTS, STOPWORDS
from vocabulary import Turn

_WORD = re.compile(r"[^\W\d_][\w'-]*|\d+")
_QUOTED = r"[\"'\u201c\u201e\u00ab](.+?)[\"'\u201d\u201c\u00bb]"
_SAY = re.compile(
    r"^(?:please |bitte )?(?:say|repeat|reply|answer|respond|output|print|sag|sage|wiederhole|antworte|schreib|schreibe)"
    r"(?: (?:with|only|exactly|just|back|after me|the word|the text|mit|nur|genau|exakt|das wort|den text))*"
    rf"(?: ?: ?|\s+)(?:{_QUOTED}\.?|(.+))$",
    re.IGNORECASE | re.DOTALL,
)
_CAPITAL = re.compile(r"(?:capital of|hauptstadt (?:von|der))\s+([\w ]+?)\s*[?.!]*$", re.IGNORECASE)
_SUM = re.compile(r"(?<![\w.])\(*-?\d[\d\s.()]*(?:\s*(?:\*\*|[-+*/^%x×÷])\s*[-(]*\d[\d.]*\)*)+")
_MY_NAME = re.compile(r"(?:my name is|i am called|ich hei(?:ß|ss)e|mein name ist)\s+(\w+)", re.IGNORECASE)
_PERSONA = re.compile(r"(?:you are|your name is|du bist|sie sind|du heißt)\s+(?:a |an |the |ein |eine )?([A-ZÄÖÜ]\w+)")
_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
            "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10}  # fmt: skip


class Writer:
    """Answers the last user turn of a conversation; the same turns and random state give the same words."""

    def __init__(self, turns: list[Turn], rng: random.Random) -> None:
        self._turns = turns
        self._rng = rng
        self._system = " ".join(turn.text for turn in turns if turn.role == "system")
        self._asked = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
        self._german = _is_german(self._asked, self._system)
        self._phrases = GERMAN if self._german else ENGLISH
        self._topic, self._other = _topics(self._asked)
        if not self._topic:
            self._topic = "dieses Thema" if self._german else "this subject"
            self._other = "das Beispiel" if self._german else "the example"
        self._body: list[str] = []

    def answer(self) -> str:
        """The whole answer."""
        asked, lower = self._asked.strip(), self._asked.lower()
        said = _SAY.match(asked)
        if said:
            return (said[1] or said[2]).strip()
        for attempt in (self._arithmetic, self._capital, self._small_talk, self._name):
            text = attempt(lower)
            if text:
                return text
        if re.search(r"\bjson\b", lower):
            return self._json()
        if re.search(r"\b(summari[sz]e|summary|zusammenfass\w*|fasse)\b", lower):
            return self._summary()
        if re.search(r"\b(poem|haiku|gedicht)\b", lower):
            return "\n".join(self._fill(line) for line in self._phrases["poem"])
        if re.search(r"\b(story|tale|geschichte|märchen)\b", lower) and re.search(
            r"\b(tell|write|erzähl\w*|schreib\w*)\b", lower
        ):
            return " ".join([self._pick("story"), *self._sentences(3), self._pick("story_end")])
        if re.search(r"\b(code|function|program|script|class|python|javascript|sql|funktion|programm)\b", lower):
            return self._code(lower)
        if re.search(
            r"\b(list|ideas|steps|tips|ways|examples|reasons|points|liste|ideen|schritte|tipps|gründe|nenne)\b", lower
        ):
            return self._list(lower)
        return self._explain(lower)

    def more(self) -> str:
        """Another paragraph on the same topic."""
        return " ".join(self._sentences(self._rng.randint(3, 5)))

    def _explain(self, lower: str) -> str:
        opening = self._pick(_kind(lower))
        if re.search(r"\b(briefly|in one sentence|short answer|be concise|kurz)\b", f"{lower} {self._system.lower()}"):
            return opening
        first = " ".join([opening, *self._sentences(self._rng.randint(2, 3))])
        second = " ".join([*self._sentences(self._rng.randint(1, 3)), self._pick("close")])
        return f"{first}\n\n{second}"

    def _arithmetic(self, lower: str) -> str | None:
        for found in _SUM.findall(lower):
            expression = found.strip()
            result = _calculate(expression)
            if result is not None:
                return self._pick("arithmetic", expression=expression, result=result)
        return None

    def _capital(self, lower: str) -> str | None:
        found = _CAPITAL.search(lower)
        capital = CAPITALS.get(found[1].strip()) if found else None
        return self._pick("capital", country=found[1].strip().title(), capital=capital) if found and capital else None

    def _small_talk(self, lower: str) -> str | None:
        if re.search(r"\b(who|what) are you\b|\byour name\b|\bwer (bist du|sind sie)\b|\bwie heißt du\b", lower):
            persona = _PERSONA.search(self._system)
            return self._pick("identity", name=persona[1] if persona else "demo-chat")
        if len(_WORD.findall(lower)) > 5:
            return None
        for kind, pattern in (
            ("greeting", r"^\W*(hello|hi|hey|good (morning|day|evening)|hallo|moin|guten (tag|morgen|abend)|servus)\b"),
            ("thanks", r"^\W*(thanks|thank you|danke|vielen dank)\b"),
            ("goodbye", r"^\W*(bye|goodbye|see you|tschüss|auf wiedersehen)\b"),
        ):
            if re.search(pattern, lower):
                return self._pick(kind)
        return None

    def _name(self, lower: str) -> str | None:
        if not re.search(r"\bmy name\s*\?|\bwhat is my name\b|\bwie heiße ich\b|\bmein name\s*\?", lower):
            return None
        told = [
            found[1] for turn in self._turns if turn.role == "user" for found in [_MY_NAME.search(turn.text)] if found
        ]
        return self._pick("name_known", name=told[-1]) if told else self._pick("name_unknown")

    def _json(self) -> str:
        words = [self._topic, self._other]
        value = {"topic": self._topic, "keywords": words, "count": len(words), "summary": self._pick("statement")}
        return json.dumps(value, ensure_ascii=False)

    def _summary(self) -> str:
        _, _, text = self._asked.partition(":")
        sentences = re.split(r"(?<=[.!?])\s+", text.strip())
        return self._pick("summary", text=sentences[0]) if sentences[0] else self._explain(self._asked.lower())

    def _code(self, lower: str) -> str:
        name = re.sub(r"\W+", "_", self._topic.lower()).strip("_") or "example"
        if re.search(r"\bsql\b", lower):
            block = f"```sql\nSELECT name, COUNT(*) AS total\nFROM {name}\nGROUP BY name\nORDER BY total DESC;\n```"
        elif re.search(r"\b(javascript|typescript|js)\b", lower):
            block = f"```javascript\nfunction {name}(items) {{\n  return items.filter((item) => item !== null).length;\n}}\n```"
        else:
            block = (
                f'```python\ndef {name}(items: list[str]) -> int:\n    """Count the items of {self._topic} that are not empty."""\n'
                f"    count = 0\n    for item in items:\n        if item:\n            count += 1\n    return count\n```"
            )
        return f"{self._pick('code')}\n\n{block}\n\n{self._pick('code_close')}"

    def _list(self, lower: str) -> str:
        named = [int(word) if word.isdigit() else _NUMBERS.get(word, 0) for word in _WORD.findall(lower)]
        count = next((number for number in named if 0 < number <= 50), 5)
        items = list(self._phrases["items"])
        self._rng.shuffle(items)
        chosen = [items[index % len(items)] for index in range(count)]
        lines = [f"{index}. {self._fill(item)}" for index, item in enumerate(chosen, start=1)]
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

    def _fill(self, text: str, **values: object) -> str:
        topic = self._topic
        return text.format(t=topic, T=topic[:1].upper() + topic[1:], u=self._other, **values)


def _topics(asked: str) -> tuple[str, str]:
    """The longest run of telling words in the message, and another such run or word."""
    runs: list[list[str]] = [[]]
    for match in re.finditer(r"[^\W_][\w'-]*|[.,;:!?()\n]", asked):
        word = match[0]
        if word.lower() in STOPWORDS or not re.match(r"\w", word):
            runs.append([])
        else:
            runs[-1].append(word)
    pieces = [" ".join(run[-3:]) for run in runs if run and not all(word.isdigit() for word in run)]
    if not pieces:
        return "", ""
    topic = max(pieces, key=lambda piece: (min(piece.count(" "), 2), len(piece)))
    others = [piece for piece in pieces if piece != topic]
    return topic, max(others, key=len) if others else topic.split()[-1]


def _kind(lower: str) -> str:
    for kind, pattern in (
        ("why", r"^(why|warum|wieso|weshalb)\b"),
        ("how", r"^(how|wie)\b"),
        ("who", r"^(who|whose|wer|wem|wessen)\b"),
        ("when", r"^(when|wann)\b"),
        ("where", r"^(where|wo|woher|wohin)\b"),
        ("what", r"^(what|which|explain|describe|define|tell me about|was|welche\w*|erkläre?|beschreibe?)\b"),
        ("yesno", r"^(is|are|do|does|did|can|could|should|will|would|ist|sind|kann|können|soll\w*|wird)\b"),
    ):
        if re.search(pattern, lower.strip()):
            return kind
    return "statement"


def _is_german(asked: str, system: str) -> bool:
    if re.search(r"\b(in german|auf deutsch)\b", f"{asked} {system}".lower()):
        return True
    words = [word.lower() for word in _WORD.findall(asked)]
    return sum(word in GERMAN_HINTS for word in words) * 4 > len(words)


def _calculate(expression: str) -> str | None:
    """The value of a sum in digits, or None when it is no sum or has no value."""
    source = expression.replace("×", "*").replace("x", "*").replace("÷", "/").replace("^", "**")
    try:
        value = _evaluate(ast.parse(source.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, exponent = _evaluate(node.left), _evaluate(node.right)
        if abs(base) <= 1000 and 0 <= exponent <= 16:
            return float(base**exponent)
    raise ValueError
