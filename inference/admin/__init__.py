"""The catalogue in the operators' admin."""

from inference.admin.catalogue import ServedModelAdmin
from inference.admin.deployment import DeploymentAdmin
from inference.admin.fallback import FallbackModelAdmin

__all__ = ["DeploymentAdmin", "FallbackModelAdmin", "ServedModelAdmin"]
