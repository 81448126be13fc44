"""Does a Triton model speak the contract that an adapter expects? Compares with `GET /v2/models/M/config`."""

from typing import Any

from msgspec import Struct


class Contract(Struct, frozen=True):
    """Tensors by name with their dtypes; `optional` ones may be missing on older engines."""

    inputs: dict[str, str]
    outputs: dict[str, str]
    decoupled: bool


# vllm_backend, src/utils/vllm_backend_utils.py: what the auto-completed config holds.
CONTRACTS: dict[str, Contract] = {
    "triton_vllm": Contract(
        inputs={
            "text_input": "TYPE_STRING",
            "stream": "TYPE_BOOL",
            "sampling_parameters": "TYPE_STRING",
            "exclude_input_in_output": "TYPE_BOOL",
            "return_finish_reason": "TYPE_BOOL",
            "return_logprobs": "TYPE_BOOL",
            "return_num_input_tokens": "TYPE_BOOL",
            "return_num_output_tokens": "TYPE_BOOL",
        },
        outputs={
            "text_output": "TYPE_STRING",
            "finish_reason": "TYPE_STRING",
            "logprobs": "TYPE_STRING",
            "num_input_tokens": "TYPE_UINT32",
            "num_output_tokens": "TYPE_UINT32",
        },
        decoupled=True,
    )
}


# What an engine takes whose model looks at images.
IMAGES = {"image": "TYPE_STRING"}


def misfits(adapter: str, config: dict[str, Any], *, images: bool = False) -> list[str]:
    """What of Triton's `config` does not fit the adapter, a sentence each; empty when all does.

    `images`: the model is offered as one that takes them.
    """
    contract = CONTRACTS[adapter]
    found = [
        *(_tensor_misfits("input", IMAGES, config.get("input", [])) if images else ()),
        *_tensor_misfits("input", contract.inputs, config.get("input", [])),
        *_tensor_misfits("output", contract.outputs, config.get("output", [])),
    ]
    found += [
        f"The model requires the input {tensor['name']}, which this adapter does not send."
        for tensor in config.get("input", [])
        if tensor["name"] not in contract.inputs and not tensor.get("optional")
    ]
    if bool(config.get("model_transaction_policy", {}).get("decoupled")) != contract.decoupled:
        found.append(
            "The model is not decoupled, so it cannot stream."
            if contract.decoupled
            else "The model is decoupled; this adapter expects one answer a request."
        )
    return found


def _tensor_misfits(kind: str, expected: dict[str, str], tensors: list[dict[str, Any]]) -> list[str]:
    found = {tensor["name"]: tensor.get("data_type", "?") for tensor in tensors}
    sentences = []
    for name, dtype in expected.items():
        if name not in found:
            sentences.append(f"The {kind} {name} ({dtype}) is missing.")
        elif found[name] != dtype:
            sentences.append(f"The {kind} {name} is {found[name]} where {dtype} is expected.")
    return sentences
