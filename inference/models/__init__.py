"""What: the catalogue of served models and the deployments that answer for them."""

from inference.models.catalogue import (
    Lifecycle,
    ModelAlias,
    ModelClass,
    ModelGrant,
    ReasoningFormat,
    ServedModel,
    ToolCallFormat,
    Visibility,
)
from inference.models.deployment import Deployment
from inference.models.fallback import FallbackModel

__all__ = [
    "Deployment",
    "FallbackModel",
    "Lifecycle",
    "ModelAlias",
    "ModelClass",
    "ModelGrant",
    "ReasoningFormat",
    "ServedModel",
    "ToolCallFormat",
    "Visibility",
]
