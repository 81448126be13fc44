"""How large a regular expression becomes when it is compiled: a guess from its text, before anything is compiled."""

import re

# Of one that holds nothing.
LEAST = 20
# Most characters of all scripts, or of many of them: each is some branches over UTF-8.
ALMOST_ANY, OF_A_SCRIPT = 10, 100
_TIMES = re.compile(r"\{(\d{1,9})(,\d{0,9})?\}")
_SCRIPT = re.compile(r"\\[pP](?:\{[^}]*\}|.)?")
_NEGATED = re.compile(r"\\[SWD]")


def pattern_size(pattern: str) -> int:
    """About how many single characters a pattern comes to when its counted repetitions are written out."""
    groups = [0]
    atom = position = 0
    while position < len(pattern):
        character = pattern[position]
        end = position + 1
        if character == "(":
            groups.append(0)
        elif character == ")" and len(groups) > 1:
            atom = groups.pop()
            groups[-1] += atom
        elif (times := _TIMES.match(pattern, position)) is not None:
            end = times.end()
            most = int((times[2] or "").removeprefix(",") or times[1])
            groups[-1] += atom * max(0, most - 1)
            atom *= max(1, most)
        elif character not in "*+?|^$":
            end = _end_of_atom(pattern, position)
            atom = _atom_size(pattern[position:end])
            groups[-1] += atom
        position = end
    return LEAST + sum(groups)


def _end_of_atom(pattern: str, start: int) -> int:
    """Where a character, an escape or a class in brackets ends."""
    if pattern[start] == "\\":
        script = _SCRIPT.match(pattern, start)
        return script.end() if script else start + 2
    if pattern[start] != "[":
        return start + 1
    position = start + 1
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position + 1


def _atom_size(text: str) -> int:
    if _SCRIPT.search(text):
        return OF_A_SCRIPT
    if text == "." or text.startswith("[^") or _NEGATED.search(text):
        return ALMOST_ANY
    return 1 + len(text) // 4
