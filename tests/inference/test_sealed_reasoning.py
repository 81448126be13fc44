"""Thoughts that clients keep for us: only the same organization and model get them back."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import sealed_reasoning
from inference.sealed_reasoning import LIFETIME_SECONDS, open_reasoning, seal_reasoning

OURS = {"organization_id": 7, "model_id": "demo-chat"}
THOUGHT = "The harbour freezes in winter; Straße, 港, 🧱."


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_sealed_opens_again(text: str) -> None:
    assert open_reasoning(seal_reasoning(text, **OURS), **OURS) == text


def test_a_token_tells_nothing_and_never_looks_the_same() -> None:
    tokens = {seal_reasoning(THOUGHT, **OURS) for _ in range(3)}
    assert len(tokens) == 3
    assert all(b"harbour" not in base64.urlsafe_b64decode(token) for token in tokens)


@pytest.mark.parametrize("theirs", [{**OURS, "organization_id": 8}, {**OURS, "model_id": "demo-chat-harmony"}])
def test_another_organization_or_model_cannot_open_it(theirs: dict) -> None:
    assert open_reasoning(seal_reasoning(THOUGHT, **OURS), **theirs) is None


def test_a_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    token = seal_reasoning(THOUGHT, **OURS)
    now = sealed_reasoning.time.time()
    monkeypatch.setattr(sealed_reasoning.time, "time", lambda: now + LIFETIME_SECONDS - 60)
    assert open_reasoning(token, **OURS) == THOUGHT
    monkeypatch.setattr(sealed_reasoning.time, "time", lambda: now + LIFETIME_SECONDS + 60)
    assert open_reasoning(token, **OURS) is None


def test_every_changed_byte_is_noticed() -> None:
    data = base64.urlsafe_b64decode(seal_reasoning("think", **OURS))
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert open_reasoning(base64.urlsafe_b64encode(changed).decode(), **OURS) is None


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.urlsafe_b64encode(b"\x01\xff" + data).decode())))
def test_anything_else_is_ignored(token: str) -> None:
    assert open_reasoning(token, **OURS) is None


def test_a_new_secret_key_opens_old_tokens_while_the_old_one_is_a_fallback(settings) -> None:
    token = seal_reasoning(THOUGHT, **OURS)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key of forty characters or more"
    assert open_reasoning(token, **OURS) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert open_reasoning(token, **OURS) == THOUGHT
    newer = seal_reasoning(THOUGHT, **OURS)
    settings.SECRET_KEY_FALLBACKS = []
    assert open_reasoning(newer, **OURS) == THOUGHT
