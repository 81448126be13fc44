"""Looks at a deployment's engine: is it there, is the model ready, does it fit the adapter, does it work."""

from typing import Any

import httpx
from django.core.exceptions import ValidationError
from msgspec import Struct
from msgspec.structs import replace

from inference.backends.kserve import HEADER
from inference.backends.tensor_contract import max_batch_size, tensor_misfits
from inference.backends.triton_contract import misfits
from inference.backends.triton_tensors import infer_request, infer_results
from inference.backends.triton_vllm import request_body
from inference.catalogue import target_of
from inference.errors import BackendFailed
from inference.generation import Target
from inference.models import Deployment
from inference.probing import PROBE, TENSOR_PROBE_SECONDS
from inference.tensor_map import TensorMap, parse_tensor_map
from inference.trial_values import trial_values

CHECK_SECONDS = 5.0
# Items of a call where neither the operator nor Triton says how many.
USUAL_BATCH = 32


class DeploymentReport(Struct, frozen=True):
    """What was found; `problems` is empty when the deployment can serve."""

    deployment: str
    problems: list[str]

    @property
    def fits(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def check_deployment(deployment: Deployment) -> DeploymentReport:
    """Asks the engine for its readiness, the model's configuration and one token.

    For operators, so it may name addresses. The token, because Triton calls a model ready whose engine is dead.
    """
    target = target_of(deployment)
    model = target.model_url
    problems: list[str] = []
    try:
        with httpx.Client(timeout=CHECK_SECONDS, headers=target.headers, trust_env=False) as client:
            if client.get(f"{model}/ready").status_code != 200:
                problems.append(f"Triton at {target.url} says that the model {target.triton_model} is not ready.")
            response = client.get(f"{model}/config")
            if response.status_code == 200:
                problems += _misfits(target, response.json(), images="image" in deployment.model.input_modalities)
            else:
                problems.append(f"Triton at {target.url} has no configuration of the model {target.triton_model}.")
            if not problems and not _works(client, target):
                problems.append(f"The model {target.triton_model} at {target.url} is ready and does not work.")
    except httpx.TransportError:
        problems.append(f"Nothing answers at {target.url}.")
    except ValueError:
        problems.append(f"What answers at {target.url} is not Triton.")
    return DeploymentReport(deployment=deployment.name, problems=problems)


def _misfits(target: Target, config: dict[str, Any], *, images: bool) -> list[str]:
    if target.tensor_map is not None:
        return tensor_misfits(target.tensor_map, config)
    return misfits(target.adapter, config, images=images)


def _works(client: httpx.Client, target: Target) -> bool:
    try:
        if target.tensor_map is not None:
            return _infers(client, target, target.tensor_map)
        headers = {"content-type": "application/json"}
        body = request_body(PROBE, target)
        response = client.post(f"{target.model_url}/generate_stream", content=body, headers=headers)
    except httpx.TransportError:
        return False
    return response.status_code == 200 and b'"error"' not in response.content


def _infers(client: httpx.Client, target: Target, tensor_map: TensorMap) -> bool:
    values = trial_values(tensor_map)
    try:
        body, head_bytes = infer_request(tensor_map, values)
        headers = {"content-type": "application/octet-stream", HEADER: str(head_bytes)}
        response = client.post(f"{target.model_url}/infer", content=body, headers=headers, timeout=TENSOR_PROBE_SECONDS)
        if response.status_code != 200:
            return False
        header_bytes = int(response.headers.get(HEADER) or len(response.content))
        lengths = [len(ids) for ids in values.get("input_ids", ())]
        infer_results(tensor_map, [response.content], header_bytes, 1, lengths)
    except (BackendFailed, ValueError):
        return False
    return True


def fit_tensor_map(deployment: Deployment, secret: str | None = None) -> str | None:
    """Holds a deployment's tensor map against Triton's configuration, and says in it how much a call takes at most.

    `secret`: that of its header, unless the stored one. Returns a sentence for the operator where Triton could not be
    asked, which is no reason not to save it. Raises `ValidationError` (tensor_map) for what does not fit.
    """
    tensor_map = parse_tensor_map(deployment.tensor_map)
    batched = any(tensor.shape[0] == "B" for tensor in tensor_map.inputs)
    config = _config(deployment, secret)
    if config is not None and (problems := tensor_misfits(tensor_map, config)):
        raise ValidationError({"tensor_map": problems})
    if batched and tensor_map.max_batch is None:
        if config is None:
            text = "Triton could not be asked how many items a call may have: name a max_batch."
            raise ValidationError({"tensor_map": text})
        deployment.tensor_map = {**deployment.tensor_map, "max_batch": max_batch_size(config) or USUAL_BATCH}
    if config is None:
        return f"Triton has no configuration of {deployment.triton_model} for us yet: the map was not checked."
    return None


def _config(deployment: Deployment, secret: str | None) -> dict[str, Any] | None:
    """Triton's configuration of the model; None where nobody tells it."""
    target = target_of(deployment) if secret is None else _with_secret(deployment, secret)
    try:
        with httpx.Client(timeout=CHECK_SECONDS, headers=target.headers, trust_env=False) as client:
            response = client.get(f"{target.model_url}/config")
            found = response.json() if response.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _with_secret(deployment: Deployment, secret: str) -> Target:
    header, deployment.secret_header = deployment.secret_header, ""
    try:
        target = target_of(deployment)
    finally:
        deployment.secret_header = header
    return replace(target, headers={header: secret} if header else {})
