"""The routes below `/v1`, and what belongs to them elsewhere; `ApiConsumer` resolves them."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from inference.api.views.agent_config import AgentConfigView, PublicAgentConfigView
from inference.api.views.chat import ChatCompletionsView
from inference.api.views.completions import CompletionsView
from inference.api.views.embeddings import EmbeddingsView
from inference.api.views.images import ImageEditsView, ImageGenerationsView
from inference.api.views.models import ModelsView, ModelView
from inference.api.views.openapi import OpenApiView
from inference.api.views.rerank import RerankView
from inference.api.views.responses import (
    CancelStoredView,
    InputTokensView,
    ResponsesView,
    StoredInputView,
    StoredResponseView,
)
from inference.api.views.tokens import JwksView, TokenView
from inference.api.views.usage import UsageRecordsView, UsageView


class ResponseId(StringConverter):
    """The id of a response; whatever else is below `/v1/responses` is no URL of ours."""

    regex = "resp_[^/]+"


register_converter(ResponseId, "response")

urlpatterns = [
    path("v1/chat/completions", ChatCompletionsView.as_view()),
    path("v1/completions", CompletionsView.as_view()),
    path("v1/responses", ResponsesView.as_view()),
    path("v1/responses/input_tokens", InputTokensView.as_view()),
    path("v1/responses/<response:response_id>", StoredResponseView.as_view()),
    path("v1/responses/<response:response_id>/cancel", CancelStoredView.as_view()),
    path("v1/responses/<response:response_id>/input_items", StoredInputView.as_view()),
    path("v1/images/generations", ImageGenerationsView.as_view()),
    path("v1/images/edits", ImageEditsView.as_view()),
    path("v1/embeddings", EmbeddingsView.as_view()),
    path("v1/rerank", RerankView.as_view()),
    path("rerank", RerankView.as_view()),
    path("v2/rerank", RerankView.as_view(version="2", returns_documents=False)),
    path("v1/v2/rerank", RerankView.as_view(version="2", returns_documents=False)),
    path("v1/models", ModelsView.as_view()),
    path("v1/models/<path:model_id>", ModelView.as_view()),
    path("v1/agent-config", AgentConfigView.as_view()),
    path("v1/usage", UsageView.as_view()),
    path("v1/usage/records", UsageRecordsView.as_view()),
    path("v1/openapi.json", OpenApiView.as_view()),
    path("v1/auth/token", TokenView.as_view()),
    path(".well-known/jwks.json", JwksView.as_view()),
    path(".well-known/agent-config", PublicAgentConfigView.as_view()),
]
