"""Reads of the catalogue for health checks and pages."""

import asyncio

from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization
from inference.backends.transport import TRANSPORT_ERRORS, send
from inference.catalogue import catalogue
from inference.generation import Target
from inference.models import Lifecycle, ServedModel, Visibility
from inference.routing import router

PROBE_SECONDS = 2.0


async def model_is_ready(target: Target) -> bool:
    """Whether Triton says that the deployment's model is ready; False after two seconds without a word."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            response = await send("GET", f"{target.model_url}/ready", headers=target.headers)
            with response:
                return response.status_code == 200
    except (TRANSPORT_ERRORS, TimeoutError):
        return False


async def healthy_deployments() -> list[str]:
    """The names of the deployments of published models that fail no probe and whose engine says that it is ready.

    Both, since an engine may say so that answers nothing, and one that was never asked may not be there. A failed
    request alone takes no process off a load balancer.
    """
    await catalogue.current()
    states = [state for state in router.states() if not state.probes_failed and not state.retired]
    targets = {state.target.name: state.target for state in states}
    ready = await asyncio.gather(*(model_is_ready(target) for target in targets.values()))
    return [name for name, is_ready in zip(targets, ready, strict=True) if is_ready]


def offered_models(organization: Organization) -> list[str]:
    """The ids of the published models that `organization` sees in `/v1/models`, in alphabetical order."""
    return list(
        ServedModel.objects.filter(
            Q(visibility=Visibility.PUBLIC) | Q(grants__organization=organization), published=True
        )
        .exclude(lifecycle=Lifecycle.RETIRED)
        .exclude(retires_on__lte=timezone.now().date())
        .order_by("model_id")
        .values_list("model_id", flat=True)
        .distinct()
    )
