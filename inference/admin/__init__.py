"""The catalogue in the operators' admin."""

from inference.admin.catalogue import ServedModelAdmin
from inference.admin.deployment import DeploymentAdmin

__all__ = ["DeploymentAdmin", "ServedModelAdmin"]
