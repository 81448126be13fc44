"""Deployments: the engines behind a model."""

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, URLValidator
from django.db import models
from django.utils import timezone

from inference.backends.triton_options import option_problem
from inference.models.catalogue import TENSOR_CAPABILITIES, ServedModel
from inference.tensor_map import TensorMapError, parse_tensor_map


class Deployment(models.Model):
    """One Triton model at one address that answers for a served model."""

    class Adapter(models.TextChoices):
        TRITON_VLLM = "triton_vllm", "Triton, vLLM backend"
        TRITON_TENSORS = "triton_tensors", "Triton, by a tensor map (embeddings, rerank, images)"

    name = models.SlugField(max_length=63, unique=True)
    model = models.ForeignKey(ServedModel, on_delete=models.CASCADE, related_name="deployments")
    adapter = models.CharField(max_length=40, choices=Adapter, default=Adapter.TRITON_VLLM)
    url = models.CharField(
        "URL",
        max_length=500,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="Where the engine listens, for example http://10.0.0.5:8000.",
    )
    triton_model = models.CharField("Triton model", max_length=200)
    triton_version = models.CharField("Triton version", max_length=20, blank=True, help_text="Empty: the newest.")
    weight = models.PositiveIntegerField(default=1, help_text="Share of the requests; 0: none.")
    max_concurrency = models.PositiveIntegerField(
        default=64, validators=[MinValueValidator(1)], help_text="Requests at once from one web process."
    )
    secret_header = models.CharField(
        max_length=100, blank=True, help_text="Name of the header that carries the engine's secret."
    )
    secret_value = models.TextField(blank=True, editable=False, help_text="Encrypted; see inference.backend_secrets.")
    options = models.JSONField("adapter options", default=dict, blank=True)
    tensor_map = models.JSONField(
        default=dict, blank=True, help_text="Which tensors hold what, for the adapter of that name."
    )
    enabled = models.BooleanField(default=True, help_text="Part of the model's deployments at all.")
    draining_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="From then on it gets no new requests; empty: it gets some."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["model", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """The adapter fits what the model does, and its options and map what it needs."""
        if self.adapter == self.Adapter.TRITON_VLLM and (problem := option_problem(self.options)) is not None:
            raise ValidationError({"options": problem})
        if self.model_id is None:
            return
        wanted = TENSOR_CAPABILITIES.intersection(self.model.capabilities)
        if self.adapter != self.Adapter.TRITON_TENSORS:
            if wanted:
                raise ValidationError({"adapter": f"This adapter does not serve {', '.join(sorted(wanted))}."})
            return
        if not wanted:
            raise ValidationError({"adapter": "This adapter serves embeddings, rerank and images alone."})
        try:
            found = parse_tensor_map(self.tensor_map)
        except TensorMapError as error:
            raise ValidationError({"tensor_map": str(error)}) from None
        if not self.model.assets and wanted.intersection({"embeddings", "rerank"}):
            if found.tokenised:
                raise ValidationError({"tensor_map": "Token ids need the model's tokenizer: it has no assets."})
            if found.outputs.tokens is None:
                text = "Nobody counts tokens: neither an output for them, nor the model's tokenizer (assets)."
                raise ValidationError({"tensor_map": text})
        if lacking := sorted(capability for capability in wanted if not found.serves(capability)):
            raise ValidationError({"tensor_map": f"The map does not say what {', '.join(lacking)} needs."})
