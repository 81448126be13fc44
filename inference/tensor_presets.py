"""Tensor maps of conventions that are often seen on Triton, for operators to choose from and change the names in."""

from typing import Any

from msgspec import Struct


class Preset(Struct, frozen=True):
    """A map, and what kind of model it is for."""

    title: str
    tensor_map: dict[str, Any]


def _text(tensor: str, source: str, shape: list[str | int], **more: Any) -> dict[str, Any]:
    return {"tensor": tensor, "dtype": "BYTES", "shape": shape, "source": source, **more}


def _ids(*sources: str) -> list[dict[str, Any]]:
    return [{"tensor": source, "dtype": "INT64", "shape": ["B", "L"], "source": source} for source in sources]


def _number(tensor: str, dtype: str, source: str, **more: Any) -> dict[str, Any]:
    return {"tensor": tensor, "dtype": dtype, "shape": [1], "source": source, **more}


PRESETS: dict[str, Preset] = {
    "text-embedding": Preset(
        "Embeddings: a text in, a vector out (Python models that tokenise)",
        {
            "inputs": [_text("TEXT", "input", ["B", 1])],
            "outputs": {"embedding": {"tensor": "EMBEDDING"}, "tokens": {"tensor": "TOKENS"}},
        },
    ),
    "token-ids-hidden-state": Preset(
        "Embeddings: token ids in, last_hidden_state out (ONNX, TensorRT); pooled here by the mean",
        {
            "inputs": _ids("input_ids", "attention_mask"),
            "outputs": {"embedding": {"tensor": "last_hidden_state", "pooling": "mean"}},
        },
    ),
    "token-ids-embedding": Preset(
        "Embeddings: token ids in, sentence_embedding out (ONNX, TensorRT with pooling inside)",
        {
            "inputs": _ids("input_ids", "attention_mask"),
            "outputs": {"embedding": {"tensor": "sentence_embedding"}},
        },
    ),
    "query-documents": Preset(
        "Rerank: one query and all documents in, scores out",
        {
            "inputs": [_text("QUERY", "query", [1]), _text("DOCUMENTS", "documents", ["N"])],
            "outputs": {"score": {"tensor": "SCORES", "activation": "sigmoid"}, "tokens": {"tensor": "TOKENS"}},
        },
    ),
    "query-document-rows": Preset(
        "Rerank: a row with query and document for each, a score out",
        {
            "inputs": [_text("QUERY", "query", ["B", 1]), _text("DOCUMENT", "documents", ["B", 1])],
            "outputs": {"score": {"tensor": "SCORE", "activation": "sigmoid"}},
        },
    ),
    "pairs": Preset(
        "Rerank: pairs of query and document in, a score out",
        {
            "inputs": [_text("INPUT_PAIRS", "pairs", ["B", 2])],
            "outputs": {"score": {"tensor": "SCORES", "activation": "sigmoid"}},
        },
    ),
    "token-ids-logits": Preset(
        "Rerank: token ids of pairs in, logits out (cross-encoders as ONNX, TensorRT)",
        {
            "inputs": _ids("input_ids", "attention_mask"),
            "outputs": {"score": {"tensor": "logits", "activation": "sigmoid"}},
        },
    ),
    "prompt-files": Preset(
        "Images: a prompt with size, seed and steps in, PNG files out; edits with image and mask",
        {
            "inputs": [
                _text("prompt", "prompt", [1]),
                _text("negative_prompt", "negative_prompt", [1], optional=True),
                _number("width", "INT32", "width"),
                _number("height", "INT32", "height"),
                _number("seed", "INT64", "seed", optional=True),
                _number("steps", "INT32", "steps", optional=True),
                _number("guidance_scale", "FP32", "guidance_scale", optional=True),
                _text("image", "image", ["N"], optional=True),
                _text("mask", "mask", [1], optional=True),
            ],
            "outputs": {"image": {"tensor": "generated_image", "encoding": "png_bytes"}},
        },
    ),
    "prompt-pixels": Preset(
        "Images: a prompt in, an array of pixels out (NVIDIA's Stable Diffusion tutorial)",
        {
            "inputs": [
                _text("prompt", "prompt", [1, 1]),
                _text("negative_prompt", "negative_prompt", [1, 1], optional=True),
            ],
            "outputs": {"image": {"tensor": "generated_image", "encoding": "hwc_uint8"}},
        },
    ),
    "prompt-arguments": Preset(
        "Images: a prompt and a JSON text of arguments in, base64 out",
        {
            "inputs": [
                _text("prompt", "prompt", [1]),
                {
                    "tensor": "gen_args",
                    "dtype": "BYTES",
                    "shape": [1],
                    "encode": "json",
                    "source": {
                        "steps": "num_inference_steps",
                        "guidance_scale": "guidance_scale",
                        "seed": "seed",
                        "width": "width",
                        "height": "height",
                    },
                },
                _text("image", "image", ["N"], optional=True, encode="base64"),
                _text("mask_image", "mask", [1], optional=True, encode="base64"),
            ],
            "outputs": {"image": {"tensor": "generated_image", "encoding": "base64"}},
        },
    ),
}
