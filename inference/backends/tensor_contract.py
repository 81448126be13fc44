"""Does a Triton model have the tensors of an operator's map? Compares with `GET /v2/models/M/config`."""

from collections.abc import Iterator, Sequence
from typing import Any

from inference.tensor_map import Input, TensorMap

FLOATS = ("TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_BF16")
INTEGERS = ("TYPE_INT32", "TYPE_INT64", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT16", "TYPE_UINT16")
OF_ROLES = {"embedding": FLOATS, "score": FLOATS, "tokens": INTEGERS}
OF_IMAGES = {
    "png_bytes": ("TYPE_STRING", "TYPE_UINT8"),
    "base64": ("TYPE_STRING",),
    "hwc_uint8": ("TYPE_UINT8",),
    "chw_uint8": ("TYPE_UINT8",),
    "hwc_float01": FLOATS,
    "chw_float_pm1": FLOATS,
}


def tensor_misfits(tensor_map: TensorMap, config: dict[str, Any]) -> list[str]:
    """What of Triton's `config` does not fit the map, a sentence each; empty when all does."""
    found = [*_inputs(tensor_map, config), *_outputs(tensor_map, config)]
    if config.get("model_transaction_policy", {}).get("decoupled"):
        found.append("The model is decoupled; it must give one answer a request.")
    if max_batch_size(config) and len({tensor.shape[0] for tensor in tensor_map.inputs}) > 1:
        found.append("All inputs of a model with a batch begin with the same: B, or 1 for all that a request has.")
    most, batched = max_batch_size(config), any(tensor.shape[0] == "B" for tensor in tensor_map.inputs)
    if most and batched and (tensor_map.max_batch or 0) > most:
        found.append(f"max_batch is {tensor_map.max_batch}; Triton takes at most {most} items a call.")
    return found


def max_batch_size(config: dict[str, Any]) -> int:
    """The most items of one call; 0: the model has no batch dimension."""
    return int(config.get("max_batch_size") or 0)


def _inputs(tensor_map: TensorMap, config: dict[str, Any]) -> Iterator[str]:
    known = {tensor["name"]: tensor for tensor in config.get("input", [])}
    mapped = {tensor.tensor: tensor for tensor in tensor_map.inputs}
    for name, tensor in mapped.items():
        if name not in known:
            yield f"The model has no input {name}; it has {_names(known)}."
            continue
        yield from _dtype(f"input {name}", known[name], (_type(tensor.dtype),))
        yield from _shape(tensor, known[name], batched=max_batch_size(config) > 0)
        if tensor.optional and not known[name].get("optional"):
            yield f"The model requires the input {name}, which the map calls optional; it could have a default instead."
    for name, tensor in known.items():
        if name not in mapped and not tensor.get("optional"):
            yield f"The model requires the input {name}, which the map does not have."


def _outputs(tensor_map: TensorMap, config: dict[str, Any]) -> Iterator[str]:
    known = {tensor["name"]: tensor for tensor in config.get("output", [])}
    image = tensor_map.outputs.image
    for role, name in tensor_map.outputs.tensors.items():
        if name not in known:
            yield f"The model has no output {name}; it has {_names(known)}."
        elif role == "image" and image is not None:
            yield from _dtype(f"output {name}", known[name], OF_IMAGES[image.encoding])
        else:
            yield from _dtype(f"output {name}", known[name], OF_ROLES[role])


def _dtype(what: str, tensor: dict[str, Any], wanted: Sequence[str]) -> Iterator[str]:
    found = tensor.get("data_type", "?")
    if found not in wanted:
        yield f"The {what} is {found}, not {' or '.join(wanted)}."


def _shape(tensor: Input, known: dict[str, Any], *, batched: bool) -> Iterator[str]:
    """Triton's dimensions lack that of the batch, which requests have."""
    dims = [-1] * batched + [int(size) for size in known.get("dims", [])]
    fits = len(dims) == len(tensor.shape) and all(
        size in (-1, wanted) for size, wanted in zip(dims, tensor.shape, strict=True)
    )
    if not fits:
        shown = ", ".join(["batch"] * batched + [str(size) for size in known.get("dims", [])])
        yield f"The input {tensor.tensor} is [{shown}] in Triton, and [{', '.join(map(str, tensor.shape))}] in the map."
    elif batched and tensor.shape[0] not in ("B", 1):
        yield f"The input {tensor.tensor} begins with the batch: B, or 1 for all that a request has."


def _type(dtype: str) -> str:
    return "TYPE_STRING" if dtype == "BYTES" else f"TYPE_{dtype}"


def _names(known: dict[str, Any]) -> str:
    return ", ".join(sorted(known)) or "none"
