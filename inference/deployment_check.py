"""Looks at a deployment's engine: is it there, is the model ready, does it fit the adapter, does it generate."""

import httpx
from msgspec import Struct

from inference.backends.triton_contract import misfits
from inference.backends.triton_vllm import request_body
from inference.catalogue import target_of
from inference.generation import Target
from inference.models import Deployment
from inference.probing import PROBE

CHECK_SECONDS = 5.0


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
                problems += misfits(target.adapter, response.json())
            else:
                problems.append(f"Triton at {target.url} has no configuration of the model {target.triton_model}.")
            if not problems and not _generates(client, target):
                problems.append(f"The model {target.triton_model} at {target.url} is ready and does not generate.")
    except httpx.TransportError:
        problems.append(f"Nothing answers at {target.url}.")
    except ValueError:
        problems.append(f"What answers at {target.url} is not Triton.")
    return DeploymentReport(deployment=deployment.name, problems=problems)


def _generates(client: httpx.Client, target: Target) -> bool:
    headers = {"content-type": "application/json"}
    try:
        body = request_body(PROBE, target)
        response = client.post(f"{target.model_url}/generate_stream", content=body, headers=headers)
    except httpx.TransportError:
        return False
    return response.status_code == 200 and b'"error"' not in response.content
