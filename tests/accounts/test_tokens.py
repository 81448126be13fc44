"""Access tokens as texts: what is believed, and what is not."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.tokens import InvalidToken, keyring, read_token, write_token
from accounts.tokens.claims import Claims
from accounts.tokens.keyring import make_keyring, signing_key
from tests.accounts.tokens import good_claims, part, said_by, signed

CLAIMS = Claims(
    sub="9A3sgE2VJM0d",
    org="reeder",
    jti="0",
    iat=1_800_000_000,
    exp=1_800_000_900,
    scopes=("chat", "models"),
    models=("demo-chat",),
    key_version="x" * 16,
    label="user:17",
)


@pytest.fixture(autouse=True)
def issuer(settings: Any) -> None:
    settings.TOKEN_ISSUER = "hanse"


def refused(text: str) -> None:
    with pytest.raises(InvalidToken) as error:
        read_token(text)
    assert len(text) < 10 or text not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


def test_what_is_written_is_read() -> None:
    assert read_token(write_token(CLAIMS)) == CLAIMS
    said = said_by(write_token(CLAIMS))
    assert (said["iss"], said["aud"], said["sub"], said["scopes"]) == (
        "hanse",
        "hanse/v1",
        CLAIMS.sub,
        [*CLAIMS.scopes],
    )
    assert said["label"] == "user:17"


def test_anybody_can_check_a_token_by_the_published_keys() -> None:
    text = write_token(CLAIMS)
    keys = jwt.PyJWKSet.from_dict(keyring().jwks())
    key = keys[jwt.get_unverified_header(text)["kid"]]
    options = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(text, key, algorithms=["EdDSA"], audience="hanse/v1", issuer="hanse", options=options)


def test_the_published_keys_are_public_and_named_by_their_thumbprint() -> None:
    (jwk,) = keyring().jwks()["keys"]
    assert set(jwk) == {"kty", "crv", "x", "kid", "use", "alg"}
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()
    assert jwk["kid"] == thumbprint


def test_the_algorithm_of_rfc_8037_signs() -> None:
    header = jwt.get_unverified_header(write_token(CLAIMS))
    assert header == {"alg": "EdDSA", "typ": "JWT", "kid": keyring().signing.kid}


def test_a_token_without_a_signature_is_refused() -> None:
    claims = good_claims()
    for algorithm in ("none", "None", "NONE", ""):
        refused(f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': keyring().signing.kid})}.{part(claims)}.")
    header, body, _ = signed(claims).split(".")
    refused(f"{header}.{body}.")
    refused(f"{header}.{body}.{'A' * 86}")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_password(algorithm: str) -> None:
    """A verifier that lets the header choose takes the published key for the secret of an HMAC."""
    signing = keyring().signing
    for secret in (signing.public.public_bytes_raw(), signing.jwk()["x"].encode(), signing.kid.encode()):
        head = part({"alg": algorithm, "typ": "JWT", "kid": signing.kid})
        signing_input = f"{head}.{part(good_claims())}"
        mac = hmac.digest(secret, signing_input.encode(), f"sha{algorithm[2:]}")
        refused(f"{signing_input}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")
        # The same under a header of ours.
        refused(f"{signing.header}.{part(good_claims())}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


def test_another_key_under_our_name_is_refused() -> None:
    stranger = signing_key("somebody else's secret")
    refused(jwt.encode(good_claims(), stranger.private, "EdDSA", headers={"kid": keyring().signing.kid}))
    refused(jwt.encode(good_claims(), stranger.private, "EdDSA", headers={"kid": stranger.kid}))
    own_key = {"jwk": stranger.jwk(), "kid": keyring().signing.kid}
    refused(jwt.encode(good_claims(), stranger.private, "EdDSA", headers=own_key))


@pytest.mark.parametrize(
    "headers",
    [{"kid": None}, {"kid": "../../dev/null"}, {"typ": "at+jwt"}, {"crit": ["b64"], "b64": True}, {"jku": "https://x"}],
)
def test_a_header_that_we_do_not_write_is_refused_even_with_our_signature(headers: dict[str, Any]) -> None:
    signing = keyring().signing
    head = {"alg": "EdDSA", "typ": "JWT", "kid": signing.kid, **headers}
    signing_input = f"{part(head)}.{part(good_claims())}"
    signature = base64.urlsafe_b64encode(signing.private.sign(signing_input.encode())).rstrip(b"=").decode()
    refused(f"{signing_input}.{signature}")


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in good_claims()),
        {"aud": "https://another.example/v1"},
        {"aud": ["hanse/v1", "another"]},
        {"iss": "https://another.example"},
        {"sub": 17},
        {"scopes": "chat"},
        {"scopes": [1]},
        {"exp": "later"},
        {"exp": 1e300},
        {"models": {"demo-chat": True}},
    ],
    ids=str,
)
def test_claims_that_are_wrong_are_refused_even_with_our_signature(changes: dict[str, Any]) -> None:
    assert read_token(signed(good_claims()))
    refused(signed(good_claims(**changes)))


def test_one_changed_character_is_noticed_wherever_it_is() -> None:
    text = write_token(CLAIMS)
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        refused(text[:place] + other + text[place + 1 :])
        refused(text[:place] + "!" + text[place:])
    for wrong in (f"{text}=", f"{text} ", f" {text}", f"{text}.", text + text, text[:-1]):
        refused(wrong)


@given(st.text(max_size=400) | st.text(alphabet="abcXYZ019_-.=", max_size=400))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    refused(f"{text}.{text}")
    refused(f"{keyring().signing.header}.{text}.{'A' * 86}")


def test_during_a_rotation_both_keys_are_believed_and_published(settings: Any) -> None:
    settings.TOKEN_SIGNING_KEY, settings.TOKEN_SIGNING_KEY_FALLBACKS = "the old one", []
    old = write_token(CLAIMS)
    settings.TOKEN_SIGNING_KEY, settings.TOKEN_SIGNING_KEY_FALLBACKS = "the new one", ["the old one"]
    new = write_token(CLAIMS)
    assert old != new
    assert read_token(old) == read_token(new) == CLAIMS
    kids = [jwk["kid"] for jwk in keyring().jwks()["keys"]]
    assert kids == [jwt.get_unverified_header(text)["kid"] for text in (new, old)]
    settings.TOKEN_SIGNING_KEY_FALLBACKS = []
    refused(old)


def test_a_process_that_has_the_next_key_beside_its_own_believes_it_before_it_signs(settings: Any) -> None:
    settings.TOKEN_SIGNING_KEY, settings.TOKEN_SIGNING_KEY_FALLBACKS = "the new one", []
    early = write_token(CLAIMS)
    settings.TOKEN_SIGNING_KEY, settings.TOKEN_SIGNING_KEY_FALLBACKS = "the old one", ["the new one"]
    assert read_token(early) == CLAIMS


def test_the_keyring_shows_no_private_key() -> None:
    assert "rivate" not in repr(make_keyring("a secret", ()))
    assert "a secret" not in repr(make_keyring("a secret", ()))
