"""The routes below `/v1`, and what belongs to them elsewhere; `ApiConsumer` resolves them."""

from django.urls import path

from inference.api.views.agent_config import AgentConfigView, PublicAgentConfigView
from inference.api.views.chat import ChatCompletionsView
from inference.api.views.completions import CompletionsView
from inference.api.views.images import ImageEditsView, ImageGenerationsView
from inference.api.views.models import ModelsView, ModelView
from inference.api.views.tokens import JwksView, TokenView
from inference.api.views.usage import UsageRecordsView, UsageView

urlpatterns = [
    path("v1/chat/completions", ChatCompletionsView.as_view()),
    path("v1/completions", CompletionsView.as_view()),
    path("v1/images/generations", ImageGenerationsView.as_view()),
    path("v1/images/edits", ImageEditsView.as_view()),
    path("v1/models", ModelsView.as_view()),
    path("v1/models/<path:model_id>", ModelView.as_view()),
    path("v1/agent-config", AgentConfigView.as_view()),
    path("v1/usage", UsageView.as_view()),
    path("v1/usage/records", UsageRecordsView.as_view()),
    path("v1/auth/token", TokenView.as_view()),
    path(".well-known/jwks.json", JwksView.as_view()),
    path(".well-known/agent-config", PublicAgentConfigView.as_view()),
]
