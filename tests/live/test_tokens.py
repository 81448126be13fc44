"""Access tokens with the real clients: minted by a key, used as one, dead with it."""

import uuid
from contextlib import closing

import httpx
import jwt
import openai
import pytest

from tests.live.asking import HELLO, call, check, check_headers
from tests.live.pages import revoking, signed_in
from tests.live.test_usage import record
from tests.stack import Server, Stack

pytestmark = pytest.mark.live


def mint(server: Server, key: str, **wishes: object) -> httpx.Response:
    answer = call(server, key, path="/v1/auth/token", json=wishes)
    check_headers(answer)
    return answer


def test_openais_sdk_takes_a_token_for_a_key_and_its_use_is_the_keys(server: Server, stack: Stack) -> None:
    made = stack.manage_json("issue_key", stack.organization, f"minting {uuid.uuid4().hex[:8]}")
    token = mint(server, made["key"], scopes=["chat"], models=[stack.model], expires_in=60).json()["access_token"]
    with openai.OpenAI(base_url=server.v1, api_key=token, max_retries=0, timeout=60) as client:
        whole = client.chat.completions.create(model=stack.model, messages=HELLO, max_tokens=2)
        streamed = list(client.chat.completions.create(model=stack.model, messages=HELLO, max_tokens=2, stream=True))
        with pytest.raises(openai.PermissionDeniedError):
            client.models.list()
    for answer_id in (whole.id, streamed[0].id):
        assert record(server, stack, answer_id.removeprefix("chatcmpl-"))["api_key"] == made["public_id"]
    with closing(signed_in(server, stack.customer)) as browser:
        assert revoking(browser, stack, made["public_id"])().status_code == 200
    refused = call(server, token, json={"model": stack.model, "messages": HELLO})
    check(refused, 401, "invalid_request_error", "invalid_api_key")
    assert token.split(".")[1] not in refused.text


def test_a_token_of_one_server_works_at_another_and_anybody_can_check_it(server: Server, stack: Stack) -> None:
    token = mint(server, stack.api_key, expires_in=60).json()["access_token"]
    for other in stack.servers.values():
        assert call(other, token, "GET", "/v1/models").status_code == 200
        keys = jwt.PyJWKSet.from_dict(httpx.get(f"{other.url}/.well-known/jwks.json").json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        said = jwt.decode(token, key, algorithms=["EdDSA"], options={"verify_aud": False})
        assert said["org"] == stack.organization


def test_a_large_body_of_a_strangers_token_is_not_read(server: Server) -> None:
    answer = call(server, "eyJhbGciOiJub25lIn0.e30.", content=b"x" * 200_000)
    check(answer, 401, "invalid_request_error", "invalid_api_key")
