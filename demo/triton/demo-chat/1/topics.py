"""Reads a question: its language, what kind of question it is, and what it is about."""

import re

from phrases import GERMAN_HINTS, STOPWORDS

WORD = re.compile(r"[^\W\d_][\w'-]*|\d+")
_PIECE = re.compile(r"[^\W_][\w'-]*|[.,;:!?()\n]")
# "why is the sky blue": the subject is the first telling word after verb and article.
_SUBJECT = re.compile(
    r"^(?:(?:how|why|when|where)\s+)?(?:is|are|do|does|did|can|could|should|will|would|has|have)(?:n't)?\s+"
    r"(?:a|an|the|some|my|your|our|these|those)?\s*([^\W\d_][\w-]*)",
    re.IGNORECASE,
)
# "five tips for learning a language": what follows the preposition, articles included.
_OBJECT = re.compile(r"\b(?:about|for|of|on|über|zu|für|zum|zur)\s+((?:[^\W\d_][\w'-]*\s*){1,5})", re.IGNORECASE)
_ARTICLES = ("a ", "an ", "the ", "my ", "your ", "ein ", "eine ", "einen ", "einem ", "der ", "die ", "das ", "den ")
_KINDS = (
    ("why", r"^(why|warum|wieso|weshalb)\b"),
    ("how", r"^(how|wie)\b"),
    ("who", r"^(who|whose|wer|wem|wessen)\b"),
    ("when", r"^(when|wann)\b"),
    ("where", r"^(where|wo|woher|wohin)\b"),
    ("what", r"^(what|which|explain|describe|define|tell me about|was|welche\w*|erkläre?|beschreibe?)\b"),
    ("yesno", r"^(is|are|do|does|did|can|could|should|will|would|ist|sind|kann|können|soll\w*|wird)\b"),
)


def is_german(asked: str, system: str) -> bool:
    """Whether to answer in German: ordered so, or asked so."""
    if re.search(r"\b(in german|auf deutsch)\b", f"{asked} {system}".lower()):
        return True
    words = [word.lower() for word in WORD.findall(asked)]
    return sum(word in GERMAN_HINTS for word in words) * 4 > len(words)


def kind_of(question: str) -> str:
    """The key of the sentences to open with."""
    lower = question.strip().lower()
    return next((kind for kind, pattern in _KINDS if re.search(pattern, lower)), "statement")


def topics_of(asked: str, *, german: bool) -> tuple[str, str]:
    """What the message is about, and another of its telling words; both empty when it has none."""
    pieces = _telling_pieces(asked)
    if not pieces:
        return "", ""
    topic = _topic(asked.strip(), pieces, german=german)
    words = [word for piece in pieces for word in piece.split() if word.lower() not in topic.lower()]
    return topic, max(words, key=len) if words else topic.split()[-1]


def _topic(asked: str, pieces: list[str], *, german: bool) -> str:
    if german:
        nouns = [
            word for piece in pieces for word in piece.split() if word[:1].isupper() and not asked.startswith(word)
        ]
        if nouns:
            return max(nouns, key=len)
    subject = _SUBJECT.match(asked)
    if subject and subject[1].lower() not in STOPWORDS:
        return subject[1]
    for match in _OBJECT.finditer(asked):
        phrase = match[1].strip()
        telling = [word for word in WORD.findall(phrase) if word.lower() not in STOPWORDS]
        if telling and not telling[0].isdigit():
            # Up to its last telling word: "learning a language", not "learning a language and".
            end = phrase.rfind(telling[-1]) + len(telling[-1])
            return _without_article(phrase[:end])
    return max(pieces, key=lambda piece: (min(piece.count(" "), 2), len(piece)))


def _without_article(phrase: str) -> str:
    return next((phrase[len(word) :] for word in _ARTICLES if phrase.lower().startswith(word)), phrase)


def _telling_pieces(asked: str) -> list[str]:
    """Runs of up to three words between stopwords and punctuation."""
    runs: list[list[str]] = [[]]
    for match in _PIECE.finditer(asked):
        word = match[0]
        if word.lower() in STOPWORDS or not re.match(r"\w", word):
            runs.append([])
        else:
            runs[-1].append(word)
    return [" ".join(run[:3]) for run in runs if run and not all(word.isdigit() for word in run)]
