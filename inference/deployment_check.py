"""Looks at a deployment's engine: is it there, is the model ready, does it fit the adapter."""

import httpx
from msgspec import Struct

from inference.backends.triton_contract import misfits
from inference.catalogue import target_of
from inference.models import Deployment

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
    """Asks the engine for its readiness and the model's configuration; for operators, so it may name addresses."""
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
    except httpx.TransportError:
        problems.append(f"Nothing answers at {target.url}.")
    except ValueError:
        problems.append(f"What answers at {target.url} is not Triton.")
    return DeploymentReport(deployment=deployment.name, problems=problems)
