"""Which names are near to one that leads nowhere: for people and agents who mistyped it."""

from collections.abc import Iterable

MOST = 3
# As long as a model's name can be; a customer's text has any length.
LONGEST = 200
# Half of what two names consist of: "demo" finds "demo-chat", and "gpt-4o" does not.
NEAR_ENOUGH = 0.5

Fingerprint = frozenset[str]


def fingerprint(name: str) -> Fingerprint:
    """The pairs of neighbouring letters and digits of `name`, whatever their case, and which one it begins with."""
    text = "^" + "".join(filter(str.isalnum, name[:LONGEST].casefold()))
    return frozenset(text[at : at + 2] for at in range(len(text) - 1))


def similarity(one: Fingerprint, other: Fingerprint) -> float:
    """From 0 to 1: the share of common pairs (Ochiai's coefficient). Kind to a prefix, as organizations' names are."""
    return len(one & other) / (len(one) * len(other)) ** 0.5 if one and other else 0.0


def nearest(wanted: str, known: Iterable[tuple[str, str, Fingerprint]]) -> list[str]:
    """Up to `MOST` names near to `wanted`, the nearest first, one for each model.

    `known` are names with the model that each leads to and its fingerprint. Microseconds for each of them, however
    long `wanted` is.
    """
    asked = fingerprint(wanted)
    best: dict[str, tuple[float, bool, str]] = {}
    for name, model_id, found in known:
        score = similarity(asked, found)
        if score >= NEAR_ENOUGH:
            # The model's own name before an alias that is as near.
            candidate = (score, name == model_id, name)
            best[model_id] = max(best.get(model_id, candidate), candidate)
    return [name for _, _, name in sorted(best.values(), key=lambda found: (-found[0], found[2]))[:MOST]]
