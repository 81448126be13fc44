"""The format of keys."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.keys import (
    ALPHABET,
    BODY_LENGTH,
    MalformedKey,
    base62,
    compose_key,
    contains_key,
    digest_of,
    fingerprint,
    is_sealed,
    make_key,
    mask,
    parse_key,
)

PREFIX = "sk-hanse-"
public_ids = st.text(alphabet=ALPHABET, min_size=12, max_size=12)
secrets_ = st.integers(min_value=0, max_value=2**256 - 1)
keys = st.builds(compose_key, st.just(PREFIX), public_ids, secrets_)


@given(public_ids, secrets_)
def test_a_key_gives_its_public_id_back(public_id: str, secret: int) -> None:
    text = compose_key(PREFIX, public_id, secret)
    assert parse_key(text) == public_id
    assert len(text) == len(PREFIX) + BODY_LENGTH == 70


@given(keys, st.integers(min_value=0, max_value=69), st.characters())
def test_any_one_changed_character_is_refused(text: str, at: int, other: str) -> None:
    changed = text[:at] + other + text[at + 1 :]
    if changed == text:
        assert parse_key(changed)
    else:
        with pytest.raises(MalformedKey):
            parse_key(changed)


@given(keys, st.integers(min_value=0, max_value=68))
def test_two_neighbours_exchanged_are_refused(text: str, at: int) -> None:
    changed = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if changed != text:
        with pytest.raises(MalformedKey):
            parse_key(changed)


@given(keys, st.text(min_size=1, max_size=5))
def test_a_key_with_more_or_less_around_it_is_refused(text: str, more: str) -> None:
    for changed in (text + more, more + text, text[: -len(more)], text[len(more) :]):
        with pytest.raises(MalformedKey):
            parse_key(changed)


@given(st.text())
def test_other_texts_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(MalformedKey) as refused:
        parse_key(text)
    assert len(text) < 8 or text not in str(refused.value)


@pytest.mark.parametrize("secret", [0, 1, 62**42, 2**255, 2**256 - 1])
def test_every_secret_of_256_bits_takes_43_characters(secret: int) -> None:
    assert len(base62(secret, 43)) == 43


@given(secrets_)
def test_base62_loses_nothing(number: int) -> None:
    back = 0
    for character in base62(number, 43):
        back = back * 62 + ALPHABET.index(character)
    assert back == number


def test_new_keys_differ_in_id_secret_and_digest() -> None:
    minted = [make_key() for _ in range(200)]
    for part in ("text", "public_id", "digest"):
        assert len({getattr(key, part) for key in minted}) == 200


def test_the_secrets_of_new_keys_use_all_256_bits() -> None:
    start = len(PREFIX) + 12
    numbers = [
        sum(ALPHABET.index(c) * 62**i for i, c in enumerate(reversed(make_key().text[start:-6]))) for _ in range(400)
    ]
    assert max(numbers) < 2**256
    # Of 400 numbers of 256 random bits, each bit is set in some and clear in others.
    assert all(0 < sum(number >> bit & 1 for number in numbers) < 400 for bit in range(256))


def test_the_seal_of_a_public_id_takes_the_pepper(settings: object) -> None:
    ids = {make_key().public_id for _ in range(50)}
    assert all(map(is_sealed, ids))
    settings.API_KEY_PEPPER = "another pepper that is long enough to be one"
    assert not any(map(is_sealed, ids))


@given(public_ids)
def test_a_made_up_public_id_is_not_sealed(public_id: str) -> None:
    assert not is_sealed(public_id)


@given(st.integers(0, 11), st.sampled_from(ALPHABET))
def test_any_one_changed_character_breaks_the_seal(at: int, other: str) -> None:
    public_id = make_key().public_id
    changed = public_id[:at] + other + public_id[at + 1 :]
    assert is_sealed(changed) == (changed == public_id)


def test_a_rotated_key_keeps_its_public_id() -> None:
    first = make_key()
    second = make_key(first.public_id)
    assert second.public_id == first.public_id == parse_key(second.text)
    assert second.text != first.text


def test_the_prefix_is_configurable(settings: object) -> None:
    settings.API_KEY_PREFIX = "sk-kontor_"
    text = make_key().text
    assert text.startswith("sk-kontor_")
    assert parse_key(text)
    settings.API_KEY_PREFIX = "sk-hanse-"
    with pytest.raises(MalformedKey):
        parse_key(text)


def test_the_digest_depends_on_the_pepper() -> None:
    text = make_key().text
    assert digest_of(text, "one") != digest_of(text, "other")
    assert len(digest_of(text, "one")) == 32


def test_a_minted_key_does_not_show_itself() -> None:
    key = make_key()
    for shown in (repr(key), str(key), f"{key}"):
        assert key.text not in shown
        assert key.digest.hex() not in shown
        assert key.public_id in shown


def test_a_fingerprint_names_the_key_without_its_secret() -> None:
    key = make_key()
    assert fingerprint(key.public_id) == f"sk-hanse-{key.public_id}…"


@given(st.text(max_size=100))
def test_a_mask_shows_four_characters_at_most(text: str) -> None:
    shown = mask(text).removeprefix(PREFIX) if text.startswith(PREFIX) else mask(text)
    assert len(shown.replace("**", "", 1)) <= 4
    assert shown == "**" or (len(text) >= 20 and text.startswith(mask(text).split("**")[0]))


def test_a_mask_of_a_key_shows_prefix_and_two_characters_at_either_end() -> None:
    key = make_key()
    assert mask(key.text) == f"sk-hanse-{key.public_id[:2]}**{key.text[-2:]}"


def test_a_key_inside_another_text_is_noticed() -> None:
    assert contains_key(f"my key is {make_key().text}, thanks")
    assert not contains_key("nightly batch sk-hanse- 2027")


def test_the_documented_scanner_agrees_with_us() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api-keys.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scanner: dict[str, object] = {}
    exec(example, scanner)  # noqa: S102
    is_key = scanner["is_key"]
    assert callable(is_key)
    for _ in range(50):
        text = make_key().text
        assert is_key(text)
        assert not is_key(text[:-1] + ("a" if text[-1] != "a" else "b"))
        assert not is_key(text[:20] + ("a" if text[20] != "a" else "b") + text[21:])
    assert not is_key("sk-hanse-é")
    assert not is_key("sk-proj-" + make_key().text[9:])
