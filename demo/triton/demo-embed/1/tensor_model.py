"""What the demo models with a tensor in and a tensor out share: their tokenizer, and faults on order.

A request is answered in a thread of its own through its response sender, so that one which is ordered to wait holds up
nobody else.
"""

import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
MOST_AT_ONCE = 64
_DIRECTIVE = re.compile(r"\[\[(?:(delay)=(\d+(?:\.\d+)?)|(fail|crash|hang|nan|short|garbage|bomb))\]\]")


class Orders:
    """The directives in a request's texts; see demo/triton/README.md."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.flags: set[str] = set()

    def read(self, text: str) -> str:
        """Notes the directives in `text` and returns it without them."""
        for _, seconds, flag in _DIRECTIVE.findall(text):
            if seconds:
                self.delay = max(self.delay, float(seconds))
            else:
                self.flags.add(flag)
        return _DIRECTIVE.sub("", text)


class TensorModel:
    """A Triton model whose `answer` takes a request's tensors and returns the response's."""

    # Inputs in which directives may stand.
    texts: Sequence[str] = ()

    def initialize(self, args: dict[str, str]) -> None:
        """Make the threads; models load what they need."""
        self.name = args["model_name"]
        self._config = json.loads(args["model_config"])
        self._repository = Path(args["model_repository"]).parent
        self._stopped = threading.Event()
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix=self.name)

    def tokenizer(self) -> Tokenizer:
        """demo-chat's: the demo models share one."""
        named = self._config.get("parameters", {}).get("assets_dir", {}).get("string_value")
        folder = os.environ.get("DEMO_ASSETS_DIR") or named or self._repository.parent / "assets"
        return Tokenizer.from_file(str(Path(folder) / "demo-chat" / "tokenizer.json"))

    def answer(self, tensors: Mapping[str, Any], orders: Orders) -> dict[str, Any]:
        """Output tensors by name; raises ValueError with a text for the caller that holds nothing of the request."""
        raise NotImplementedError

    def execute(self, requests: list[Any]) -> None:
        """Hand every request to a thread; responses follow through their senders."""
        for request in requests:
            tensors, orders = self._read(request)
            if "crash" in orders.flags:
                # Here, where Triton waits for the process and notices that it dies.
                os._exit(1)
            self._threads.submit(self._respond, tensors, orders, request.get_response_sender())

    def finalize(self) -> None:
        """Ends what waits."""
        self._stopped.set()
        self._threads.shutdown()

    def _respond(self, tensors: dict[str, Any], orders: Orders, sender: Any) -> None:
        try:
            outputs = self._outputs(tensors, orders)
            response = pb_utils.InferenceResponse([pb_utils.Tensor(name, value) for name, value in outputs.items()])
        except ValueError as error:
            response = _error(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:  # noqa: BLE001 - the edge: whatever happens becomes an error of the engine
            pb_utils.Logger.log_error(f"[{self.name}] {type(error).__name__}")
            response = _error(f"{self.name} failed: {type(error).__name__}", pb_utils.TritonError.INTERNAL)
        sender.send(response, flags=FINAL)

    def _read(self, request: Any) -> tuple[dict[str, Any], Orders]:
        """A request's tensors by name, their texts without directives."""
        # Copies: a request's memory is only there while `execute` runs.
        tensors = {tensor.name(): np.array(tensor.as_numpy()) for tensor in request.inputs()}
        orders = Orders()
        for name in self.texts:
            if name in tensors:
                read = [orders.read(text.decode("utf-8", "replace")) for text in tensors[name].reshape(-1)]
                tensors[name] = np.asarray(read, dtype=np.object_).reshape(tensors[name].shape)
        return tensors, orders

    def _outputs(self, tensors: dict[str, Any], orders: Orders) -> dict[str, Any]:
        if orders.delay or "hang" in orders.flags:
            self._stopped.wait(None if "hang" in orders.flags else orders.delay)
        if "fail" in orders.flags:
            raise RuntimeError
        return self.answer(tensors, orders)


def spoil(values: np.ndarray, orders: Orders) -> np.ndarray:
    """Numbers as the directives want them: one row less, or the first no number."""
    if "short" in orders.flags:
        values = values[:-1]
    if "nan" in orders.flags and values.size:
        values = values.copy()
        values.flat[0] = np.nan
    return values


def _error(message: str, code: Any) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
