"""The SSE decoder gives the same payloads however the bytes arrive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.sse import SseDecoder

EVENTS = [
    (b'data: {"a": 1}\n\ndata: {"b": 2}\n\n', [b'{"a": 1}', b'{"b": 2}']),
    (b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n', [b'{"a": 1}', b'{"b": 2}']),
    (b"data: one\r\rdata: two\r\r\n", [b"one", b"two"]),
    (b"data:tight\n\n", [b"tight"]),
    (b"data: first\ndata: second\n\n", [b"first\nsecond"]),
    (b": a comment\n\nevent: token\nid: 7\ndata: x\nretry: 10\n\n", [b"x"]),
    (b"\xef\xbb\xbfdata: after a mark\n\n", [b"after a mark"]),
    ("data: höfliche Grüße 🦀\n\n".encode(), ["höfliche Grüße 🦀".encode()]),
    (b"data\n\n", [b""]),
    (b"data: cut off", []),
    (b"data: cut off\n", []),
]


def decode(parts: list[bytes]) -> list[bytes]:
    decoder = SseDecoder()
    return [payload for part in parts for payload in decoder.feed(part)]


@pytest.mark.parametrize(("stream", "payloads"), EVENTS)
def test_a_stream_in_one_piece(stream, payloads):
    assert decode([stream]) == payloads


@pytest.mark.parametrize(("stream", "payloads"), EVENTS)
def test_a_stream_split_at_every_byte(stream, payloads):
    for cut in range(len(stream) + 1):
        assert decode([stream[:cut], stream[cut:]]) == payloads
    assert decode([bytes([byte]) for byte in stream]) == payloads


@given(
    payloads=st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    ending=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 200)),
)
def test_any_payloads_with_any_line_ends_split_anywhere(payloads, ending, cuts):
    stream = b"".join(b"data: " + payload.encode() + ending + ending for payload in payloads) + b":\n"
    marks = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parts = [stream[begin:end] for begin, end in pairwise(marks)]
    assert decode(parts) == [payload.encode() for payload in payloads]
