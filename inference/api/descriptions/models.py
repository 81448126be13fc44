"""The models."""

from inference.api.answers.models import Model, ModelList
from inference.api.openapi import Operation

LIST_MODELS = Operation(
    id="listModels",
    summary="The models that this key may use",
    tag="Models",
    description="With capabilities, limits, lifecycle and the organization's prices.",
    answer=ModelList,
)
GET_MODEL = Operation(
    id="getModel",
    summary="One model",
    tag="Models",
    answer=Model,
    path={"model_id": "The model's id or another of its names; slashes need not be escaped."},
    errors=frozenset({404}),
)
