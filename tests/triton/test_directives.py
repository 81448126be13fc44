"""The directives of demo/triton/README.md, and what a client that goes away leaves running."""

import asyncio
import base64
import contextlib
import time

import aiohttp
import httpx
import pytest

from inference.embedded_triton import EmbeddedTriton
from tests.engines import DEMO_CHAT, ROOT
from tests.triton.calls import MODEL, body, chat, error_of, metric, stream, text_of, tokens_of, wait_until, whole

DEAD = "Error generating stream: EngineCore encountered an issue. See stack trace (above) for the root cause."


def test_delay_comes_before_the_first_token(triton: EmbeddedTriton) -> None:
    started = time.monotonic()
    assert text_of(stream(triton, chat('[[delay=0.6]] Say "late"'))) == "late"
    assert time.monotonic() - started >= 0.6


def test_fail_breaks_off_after_so_many_tokens(triton: EmbeddedTriton) -> None:
    frames = stream(triton, chat("[[fail=3]] Tell me about ships"))
    assert tokens_of(frames[:-1]) == 3
    assert error_of(frames) == DEAD
    assert stream(triton, chat("[[fail=0]] Tell me about ships")) == [{"error": DEAD}]
    assert whole(triton, chat("[[fail=2]] Hello")) == {"error": DEAD}


def test_failfirst_fails_once_for_a_prompt(triton: EmbeddedTriton) -> None:
    prompt = chat(f'[[failfirst]] Say "done {time.time_ns()}"')
    assert error_of(stream(triton, prompt)) == DEAD
    assert text_of(stream(triton, prompt)).startswith("done ")


@pytest.mark.parametrize(("limit", "tokens", "reason"), [(600, 500, "stop"), (500, 500, "stop"), (499, 499, "length")])
def test_n_is_the_exact_number_of_tokens(triton: EmbeddedTriton, limit: int, tokens: int, reason: str) -> None:
    frames = stream(triton, chat("[[n=500]] Tell me about ships"), {"temperature": 0, "max_tokens": limit})
    assert (tokens_of(frames), frames[-1]["finish_reason"]) == (tokens, reason)


def test_pace_is_kept(triton: EmbeddedTriton) -> None:
    started = time.monotonic()
    frames = stream(triton, chat("[[n=20]][[pace=20]] Tell me about ships"))
    assert 0.9 <= time.monotonic() - started <= 3
    assert tokens_of(frames) == 20


def test_dry_ends_without_a_finish_reason(triton: EmbeddedTriton) -> None:
    frames = stream(triton, chat("[[dry=4]] Tell me about ships"))
    assert tokens_of(frames) == 4
    assert {frame["finish_reason"] for frame in frames} == {"None"}


def test_echo_answers_exactly_its_text(triton: EmbeddedTriton) -> None:
    text = '<tool_call>\n{"name": "f", "arguments": {"matrix": [[1]]}}\n</tool_call> <think>x</think>'
    assert text_of(stream(triton, chat(f"[[echo={text}]]"))) == text
    coded = base64.b64encode(text.encode()).decode()
    assert text_of(stream(triton, chat(f"[[echo64={coded}]]"))) == text


def test_directives_count_only_in_the_last_user_message(triton: EmbeddedTriton) -> None:
    earlier = "<|im_start|>user\n[[fail=0]] Hello<|im_end|>\n<|im_start|>assistant\n[[hang]]<|im_end|>\n"
    assert text_of(stream(triton, earlier + chat('Say "fine"'))) == "fine"


def test_a_client_that_goes_away_stops_the_generation(triton: EmbeddedTriton) -> None:
    before = metric(triton, "cancelled_total")
    request = body(chat("[[n=5000]][[pace=100]] Tell me about ships"), {"max_tokens": 5000})
    with httpx.stream("POST", f"{triton.url}{MODEL}/generate_stream", json=request) as answer:
        lines = answer.iter_lines()
        next(lines)
        wait_until(lambda: metric(triton, "running") == 1)
    wait_until(lambda: metric(triton, "cancelled_total") == before + 1)
    wait_until(lambda: metric(triton, "running") == 0)
    tokens = metric(triton, "tokens_total")
    time.sleep(0.3)
    assert metric(triton, "tokens_total") == tokens


async def test_two_hundred_streams_run_at_once(triton: EmbeddedTriton) -> None:
    """All are open together before the first may end; each gets all of its tokens."""
    request = body(chat("[[n=24]][[pace=8]] Tell me about ships"))
    most = 0.0

    async def read(session: aiohttp.ClientSession) -> int:
        async with session.post(f"{triton.url}{MODEL}/generate_stream", json=request) as answer:
            return (await answer.read()).count(b'"finish_reason":"stop"')

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, await asyncio.to_thread(metric, triton, "running"))
            await asyncio.sleep(0.2)

    watcher = asyncio.create_task(watch())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        ends = await asyncio.gather(*(read(session) for _ in range(200)))
    watcher.cancel()
    assert ends == [1] * 200
    assert most == 200


@pytest.mark.faults
def test_crash_kills_the_model_and_a_reload_heals_it() -> None:
    with EmbeddedTriton(ROOT / "var", models=DEMO_CHAT, environment={"DEMO_CHAT_TOKENS_PER_SECOND": "0"}) as own:
        request = body(chat("[[crash=3]] Tell me about ships"))
        tokens = 0
        # Triton does not end the streams of a dead stub: only a reader's own time limit does.
        with (
            contextlib.suppress(httpx.ReadTimeout),
            httpx.stream("POST", f"{own.url}{MODEL}/generate_stream", json=request, timeout=2) as answer,
        ):
            for line in answer.iter_lines():
                tokens += line.startswith("data: ")
        assert tokens == 3
        assert "not healthy" in error_of(stream(own, chat("Hello")))
        repository = f"{own.url}/v2/repository/models/demo-chat"
        assert httpx.post(f"{repository}/unload", json={}, timeout=30).status_code == 200
        wait_until(lambda: httpx.post(f"{repository}/load", json={}, timeout=30).status_code == 200)
        assert text_of(stream(own, chat('Say "back"'))) == "back"


@pytest.mark.faults
def test_a_hanging_request_does_not_keep_the_server_from_stopping() -> None:
    own = EmbeddedTriton(ROOT / "var", models=DEMO_CHAT)
    own.start()
    own.wait_ready()
    try:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{own.url}{MODEL}/generate_stream", json=body(chat("[[hang]]")), timeout=1.0)
        assert metric(own, "running") == 1
        started = time.monotonic()
    finally:
        own.stop()
    assert time.monotonic() - started < 12
