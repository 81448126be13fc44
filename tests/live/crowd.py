"""Load for tests: `python -m tests.live.crowd KEY MODEL STREAMS URL...` keeps so many streams open at each server.

Ends at SIGTERM, and prints how often each status came, and how many streams ended well.
"""

import asyncio
import json
import signal
import sys
from collections import Counter

import aiohttp

TOKENS, PACE = 20, 50


async def stream_after_stream(session: aiohttp.ClientSession, url: str, body: dict, seen: Counter) -> None:
    """One client, until it is cancelled."""
    while True:
        async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
            whole = await answer.read()
        seen[str(answer.status)] += 1
        seen["whole"] += whole.endswith(b"data: [DONE]\n\n")


async def main(key: str, model: str, streams: str, *urls: str) -> None:
    """The command line."""
    seen: Counter = Counter()
    # The engine takes its pace from the seed.
    body = {"model": model, "stream": True, "max_tokens": TOKENS, "seed": PACE}
    body["messages"] = [{"role": "user", "content": "Hello"}]
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        clients = [
            asyncio.create_task(stream_after_stream(session, url, body, seen))
            for url in urls
            for _ in range(int(streams))
        ]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [task.cancel() for task in clients])
        ended = await asyncio.gather(*clients, return_exceptions=True)
        seen["broken"] = sum(not isinstance(how, asyncio.CancelledError) for how in ended)
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
