"""A Triton model that speaks the vLLM backend's contract, with a small text generator for an engine.

Contract: triton-inference-server/vllm_backend, src/model.py and src/utils/request.py. Nothing of a request's content is
logged, not even in error texts.
"""

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from chatml import ChatML
from engine import Engine, Look, RunDry
from exchange import Exchange, sampling_text
from harmony import Harmony
from measures import PUBLISH_SECONDS, Measures
from pictures import described, load_picture
from sampling import SamplingError, SamplingParams, parse_sampling
from vocabulary import Vocabulary

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
# Asking Triton whether the client is still there costs a trip to the server.
CANCELLATION_CHECK_SECONDS = 0.2


class VllmBackend:
    """Answers many requests at once on one event loop in a thread of its own."""

    # The format of its prompts and answers, the folder of its tokenizer, and whether it takes images.
    dialect: type[ChatML] | type[Harmony] = ChatML
    assets = "demo-chat"
    multimodal = True
    # What is said of images.
    look: Look = staticmethod(described)

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer and start the event loop."""
        config = json.loads(args["model_config"])
        self._name = args["model_name"]
        pace = float(os.environ.get("DEMO_CHAT_TOKENS_PER_SECOND") or _parameter(config, "tokens_per_second", "60"))
        vocabulary = Vocabulary(_assets(args, config) / self.assets / "tokenizer.json", self.dialect.STOPS)
        self._engine = Engine(
            vocabulary,
            self.dialect(vocabulary),
            self.look,
            name=self._name,
            pace=pace,
            max_model_len=int(_parameter(config, "max_model_len", "8192")),
        )
        self._measures = Measures(self._name.replace("-", "_"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine")
        self._thread.start()
        self._publisher = asyncio.run_coroutine_threadsafe(self._publish(), self._loop)
        self._tasks: set[asyncio.Task[None]] = set()

    def execute(self, requests: list[Any]) -> None:
        """Hand every request to the loop; responses follow through their senders."""
        for request in requests:
            if self._refuse_lora(request):
                continue
            self._loop.call_soon_threadsafe(self._spawn, request)

    def finalize(self) -> None:
        """Cancel what is running and end the thread."""
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _spawn(self, request: Any) -> None:
        task = self._loop.create_task(self._infer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        self._publisher.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _publish(self) -> None:
        while True:
            self._measures.publish()
            await asyncio.sleep(PUBLISH_SECONDS)

    async def _infer(self, request: Any) -> None:
        sender = request.get_response_sender()
        self._measures.requests += 1
        self._measures.running += 1
        try:
            await self._answer(request, sender)
        except asyncio.CancelledError:
            self._send_error(sender, "Request was cancelled", pb_utils.TritonError.CANCELLED)
            raise
        except RunDry:
            sender.send(flags=FINAL)
        except Exception as error:  # noqa: BLE001 - the edge: whatever happens becomes the backend's error
            self._measures.failed += 1
            pb_utils.Logger.log_error(f"[{self._name}] Error generating stream: {type(error).__name__}")
            self._send_error(sender, f"Error generating stream: {error}", pb_utils.TritonError.INTERNAL)
        finally:
            self._measures.running -= 1

    async def _answer(self, request: Any, sender: Any) -> None:
        if pb_utils.get_input_tensor_by_name(request, "embedding_request") is not None:
            raise ValueError(f"Model {self._name} does not support 'embed' request")
        exchange = Exchange(request)
        params = self._sampling(exchange.sampling)
        if exchange.images and not self.multimodal:
            raise ValueError(f"{self._name} is not a multimodal model")
        prompt = self._engine.encode(exchange.prompt)
        pictures = await asyncio.gather(*(asyncio.to_thread(load_picture, image) for image in exchange.images))
        if self.multimodal:
            prompt = self._engine.with_pictures(prompt, pictures)
        sequences = None
        tokens = 0
        look_at = self._loop.time() + CANCELLATION_CHECK_SECONDS
        async for grown in self._engine.generate(prompt, params, pictures):
            if grown is not None:
                sequences = grown
                now = sum(len(sequence.token_ids) for sequence in sequences)
                self._measures.tokens += now - tokens
                tokens = now
            if self._loop.time() >= look_at:
                look_at = self._loop.time() + CANCELLATION_CHECK_SECONDS
                if sender.is_cancelled():
                    self._measures.cancelled += 1
                    if exchange.stream:
                        self._send_error(sender, "Request was cancelled", pb_utils.TritonError.CANCELLED)
                        return
                    break
            if exchange.stream and grown is not None:
                finished = all(sequence.finish_reason for sequence in grown)
                sender.send(exchange.response(grown, len(prompt)), flags=FINAL if finished else 0)
        if not exchange.stream:
            if sequences is None:
                self._send_error(sender, "Request was cancelled", pb_utils.TritonError.CANCELLED)
                return
            prefix = exchange.prompt if exchange.prepend_input else ""
            sender.send(exchange.response(sequences, len(prompt), prefix=prefix), flags=FINAL)

    def _sampling(self, text: str) -> SamplingParams:
        try:
            return parse_sampling(text)
        except SamplingError as error:
            pb_utils.Logger.log_error(f"[{self._name}] Sampling parameters refused: {error}")
            # The backend's reader returns None here and the next line stumbles over it; this is all a client learns.
            raise AttributeError("'NoneType' object has no attribute 'lora_name'") from error

    def _refuse_lora(self, request: Any) -> bool:
        """As the backend: parameters that are no JSON object raise here, inside `execute`."""
        if json.loads(sampling_text(request)).pop("lora_name", None) is None:
            return False
        message = "LoRA feature is not enabled."
        self._send_error(request.get_response_sender(), message, pb_utils.TritonError.INTERNAL, text=message)
        return True

    @staticmethod
    def _send_error(sender: Any, message: str, code: Any, *, text: str = "N/A") -> None:
        tensor = pb_utils.Tensor("text_output", np.asarray([text.encode()], dtype=np.object_))
        error = pb_utils.TritonError(message, code)
        sender.send(pb_utils.InferenceResponse(output_tensors=[tensor], error=error), flags=FINAL)


def _assets(args: dict[str, str], config: dict[str, Any]) -> Path:
    """The folder of the demo's assets: beside the repository unless environment or config say otherwise."""
    beside = Path(args["model_repository"]).parent.parent / "assets"
    return Path(os.environ.get("DEMO_ASSETS_DIR") or _parameter(config, "assets_dir", str(beside)))


def _parameter(config: dict[str, Any], name: str, default: str) -> str:
    value = config.get("parameters", {}).get(name, {}).get("string_value", "")
    return str(value) or default
