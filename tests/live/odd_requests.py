"""Requests as nobody should send them, each with a word in it that must be found nowhere afterwards."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from accounts.keys import PUBLIC_ID_LENGTH, compose_key
from tests.live.asking import CHAT, bearer
from tests.stack import Server

Request = tuple[str, str, dict[str, str], bytes]


def odd_requests(key: str, word: str) -> Iterator[Request]:
    """Method, path, headers and body of each; `word` is plain letters and digits."""
    for body in odd_bodies(word):
        yield "POST", CHAT, {**bearer(key), "content-type": "application/json"}, body
    good = json.dumps(chat(word)).encode()
    for headers in odd_headers(word):
        yield "POST", CHAT, {"content-type": "application/json", **bearer(key), **headers}, good
    for path in odd_paths(word):
        yield "GET", path, bearer(key), b""
        yield "POST", path, {**bearer(key), "content-type": "application/json"}, good
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"):
        yield method, f"{CHAT}?q={word}", {**bearer(key), "x-word": word}, word.encode()


def chat(word: str, **more: Any) -> dict[str, Any]:
    """A good request but for `more`."""
    return {"model": "demo-chat", "messages": [{"role": "user", "content": f"{word} [[n=1]]"}], **more}


def odd_bodies(word: str) -> Iterator[bytes]:
    """Bodies: no UTF-8, no JSON, too deep, too long; the word as a key, a name, an enumerated value or a number."""
    message = b'{"model":"demo-chat","messages":[{"role":"user","content":"%s"}]%s}'
    plain = word.encode()
    no_text = (b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\\udfff\\ud800", b"\\u0000", b"\x00", b"\\x", b"\n")
    for text in no_text:
        yield message % (plain + text, b"")
    yield b"\xff" + plain
    yield plain.decode().encode("utf-16")
    deep = 50_000
    yield b'{"model":"demo-chat","messages":' + b"[" * deep + b'"%s"' % plain + b"]" * deep + b"}"
    yield message % (plain, b',"metadata":' + b'{"%s":' % plain * deep + b"1" + b"}" * deep)
    yield message % (plain, b',"tools":' + b"[" * deep)
    long = word * (1_000_000 // len(word))
    yield json.dumps(chat(long)).encode()
    wrong = {"type": word, "name": word, word: [word]}
    function = {"name": word, "description": word, "parameters": {"type": word, word: wrong}}
    for more in (
        {"user": long},
        {"stop": [long]},
        {"stop": {word: word}},
        {"model": long},
        {"model": word},
        {"model": f"{word}\ud800"},
        {"model": f"../{word}\x00"},
        {word: word},
        {long: long},
        {"metadata": {word: wrong}},
        {"logit_bias": {word: word}},
        {"response_format": wrong},
        {"response_format": {"type": "json_schema", "json_schema": {"name": word, "schema": wrong}}},
        {"tools": [{"type": "function", "function": function}], "tool_choice": word},
        {"tools": [{"type": word, word: function}]},
        {"tool_choice": {"type": "function", "function": {"name": word}}},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": word, "type": word, "function": function}]}]},
        {"messages": [{"role": "tool", "tool_call_id": word, "content": word}]},
        {"messages": [{"role": word, "content": word}]},
        {"messages": [{"role": "user", "content": [{"type": word, word: word}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:{word}"}}]}]},
        {"messages": [{word: word}]},
        {"messages": word},
        {"messages": {word: word}},
        {"stream": word},
        {"stream_options": {word: word}},
        {"n": word},
        {"max_tokens": word},
        {"temperature": [word]},
        {"reasoning_effort": word},
        {"service_tier": word},
        {"modalities": [word]},
        {"seed": word},
        {"chat_template_kwargs": {word: wrong}},
    ):
        yield json.dumps(chat(word) | more).encode()
    for number in (b"1" * 5000, b"1e999", b"NaN", b"-Infinity", b"1.%s" % plain):
        yield message % (plain, b',"max_tokens":' + number)
    yield b"model=demo-chat&prompt=" + plain


def odd_headers(word: str) -> Iterator[dict[str, str]]:
    """Headers: the word as a value where something is made of it, as a name, and in place of a key."""
    for name in (
        "user-agent", "x-request-id", "openai-organization", "openai-project", "x-forwarded-for", "x-forwarded-proto",
        "content-type", "accept", "accept-language", "content-encoding", "cookie", "referer", "origin", "host",
        "traceparent", "idempotency-key", "range", "te", "upgrade",
    ):  # fmt: skip
        yield {name: word}
    yield {"content-type": f"application/json; charset={word}"}
    yield {"content-type": f"multipart/form-data; boundary={word}"}
    yield {"cookie": f"sessionid={word}; csrftoken={word}; messages={word}"}
    yield {f"x-{word}": word}
    yield {"x-long": word * 100}
    made_up = compose_key("sk-hanse-", word[-PUBLIC_ID_LENGTH:], int(word.removeprefix("canary"), 16))
    for authorization in (word, f"Bearer {word}", f"Basic {word}", f"Bearer sk-hanse-{word}", f"Bearer {made_up}"):
        yield {"authorization": authorization}


def odd_paths(word: str) -> Iterator[str]:
    """Paths: of the API and of pages, with the word as a part, an argument or a query."""
    yield from (
        f"/v1/{word}", f"/v1/models/{word}", f"/v1/models/{word}%ff%00", f"/v1/models/{word}/../{word}",
        f"/v1/usage?start={word}", f"/v1/usage?by={word}&{word}=1", f"/v1/usage/records?after={word}&limit={word}",
        f"/v1/chat/completions?{word}={word}", f"/{word}", f"/{word}/%ff", f"/o/{word}/keys/", f"/admin/{word}/",
        f"/admin/?next={word}", f"/login/?next=/{word}", f"/static/{word}.css", f"/healthz?{word}", f"/readyz?{word}",
    )  # fmt: skip


def raw_requests(key: str, word: str) -> Iterator[bytes]:
    """Bytes that are no HTTP, or only its beginning."""
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    yield f"{word}\r\n\r\n".encode()
    yield f"{word.upper()} /{word} HTTP/1.1\r\nhost: {word}\r\n\r\n".encode()
    yield f"GET /v1/models/{word} HTTP/9.9\r\n\r\n".encode()
    yield f"GET /v1/models/{word}\xe9 HTTP/1.1\r\nhost: x\r\nx-{word}: \xe9\r\n\r\n".encode("latin1")
    yield f"{head}transfer-encoding: chunked\r\n\r\n{word}\r\n".encode()
    yield f"{head}content-length: {word}\r\n\r\n{word}".encode()
    yield f'{head}content-length: 100000\r\n\r\n{{"messages": "{word}'.encode()
    yield f"{head}expect: {word}\r\ncontent-length: 3\r\n\r\n{word}".encode()
    yield b"POST " + CHAT.encode() + b" HTTP/1.1\r\nx-" + word.encode() * 5000


def send_raw(server: Server, content: bytes) -> None:
    """Sends it, reads what comes at once, and hangs up."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as peer:
        peer.settimeout(0.3)
        with contextlib.suppress(OSError):
            peer.sendall(content)
            peer.recv(65536)
