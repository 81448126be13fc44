"""The catalogue: the models that customers may ask for by name."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from accounts.models import Organization
from inference.image_sizes import ImageSizesError, parse_image_sizes

MODEL_ID = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}\Z", "Letters, digits and . _ : / -, beginning with a letter or digit."
)


class ModelClass(models.TextChoices):
    """The price and scheduling class."""

    PREMIUM = "premium", "Premium"
    STANDARD = "standard", "Standard"


class Lifecycle(models.TextChoices):
    """Where a model stands between its first day and its last."""

    PREVIEW = "preview", "preview"
    ACTIVE = "active", "active"
    DEPRECATED = "deprecated", "deprecated"
    RETIRED = "retired", "retired"


class Visibility(models.TextChoices):
    """Who may use a model."""

    PUBLIC = "public", "every organization"
    GRANTED = "granted", "organizations it is granted to"


class ReasoningFormat(models.TextChoices):
    """How a model marks what it thinks; the names of `inference.parsers.REASONING`."""

    QWEN3 = "qwen3", "<think>…</think> (Qwen3, Qwen3.5, GLM, Nemotron, hybrid DeepSeek)"
    DEEPSEEK_R1 = "deepseek_r1", "…</think>, thinks unasked (DeepSeek-R1)"
    MISTRAL = "mistral", "[THINK]…[/THINK] (Magistral)"
    OPENAI_GPTOSS = "openai_gptoss", "channels (gpt-oss)"


def reasoning_formats() -> list[tuple[str, str]]:
    """Those formats, for a field whose migrations need not know them."""
    return [(str(value), str(label)) for value, label in ReasoningFormat.choices]


# What a model does, in words of the API; "tools", "reasoning" and the like say how.
TEXT_CAPABILITIES = frozenset({"chat", "completions"})
TENSOR_CAPABILITIES = frozenset({"embeddings", "rerank", "images", "image_edits"})


class ToolCallFormat(models.TextChoices):
    """How a model writes calls of tools; the names of `inference.parsers.TOOL_CALLS`."""

    HERMES = "hermes", "<tool_call> with JSON (Hermes, Qwen2.5, Qwen3)"
    QWEN3_CODER = "qwen3_coder", "<tool_call> with XML (Qwen3-Coder, Qwen3.5, Nemotron 3)"
    LLAMA3_JSON = "llama3_json", "bare JSON (Llama 3)"
    MISTRAL = "mistral", "[TOOL_CALLS] (Mistral)"
    OPENAI = "openai", "commentary to functions (gpt-oss)"
    GLM45 = "glm45", "<tool_call> with <arg_key> and <arg_value> (GLM-4.5 and later)"
    PASS_THROUGH = "pass_through", "none: the client reads calls from the text itself"


def tool_call_formats() -> list[tuple[str, str]]:
    """Those formats, for a field whose migrations need not know them."""
    return [(str(value), str(label)) for value, label in ToolCallFormat.choices]


def text_only() -> list[str]:
    """The modalities of a language model."""
    return ["text"]


def chat_only() -> list[str]:
    """The capabilities of a chat model without extras."""
    return ["chat"]


class ServedModel(models.Model):
    """A model that customers call by `model_id`."""

    model_id = models.CharField("id", max_length=200, unique=True, validators=[MODEL_ID], help_text="As in requests.")
    model_class = models.CharField("class", max_length=10, choices=ModelClass, default=ModelClass.STANDARD)
    description = models.TextField(blank=True)
    hugging_face_repository = models.CharField("Hugging Face repository", max_length=200, blank=True)
    owned_by = models.CharField("owner", max_length=100, default="hanse", help_text="Shown as owned_by.")
    input_modalities = models.JSONField(default=text_only, help_text='A list: "text", "image".')
    output_modalities = models.JSONField(default=text_only, help_text='A list: "text", "image", "embedding".')
    capabilities = models.JSONField(default=chat_only, help_text='A list: "chat", "logprobs", "tools", …')
    context_length = models.PositiveIntegerField(
        default=0, blank=True, help_text="Tokens, both ways; of each text, for models that write none."
    )
    max_output_tokens = models.PositiveIntegerField(
        default=0, blank=True, help_text="Tokens of an answer; 0 for models that write none."
    )
    default_output_tokens = models.PositiveIntegerField(
        default=0, blank=True, help_text="Tokens of an answer whose request names no limit."
    )
    embedding_dimensions = models.JSONField(
        default=list,
        blank=True,
        help_text="Sizes to which its embeddings may be cut (Matryoshka), a list such as [1024, 512]; empty: never.",
    )
    image_sizes = models.JSONField(
        default=dict,
        blank=True,
        help_text="Sizes of the images it makes; by default 1024x1024, and any with sides from 64 to 2048 for requests "
        'that name it: {"default": "512x512", "smallest": 256, "largest": 1024, "multiple": 64}, or '
        '{"default": "1024x1024", "only": ["1024x1024", "1536x1024"]}.',
    )
    lifecycle = models.CharField(max_length=10, choices=Lifecycle, default=Lifecycle.ACTIVE)
    deprecated_on = models.DateField(null=True, blank=True)
    retires_on = models.DateField(null=True, blank=True)
    replacement = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    granted_to = models.ManyToManyField(Organization, through="ModelGrant", related_name="granted_models", blank=True)
    published = models.BooleanField(default=False, help_text="Offered to customers; needs a price.")
    assets = models.CharField(
        max_length=200,
        blank=True,
        help_text="Folder below MODEL_ASSETS_DIR with tokenizer.json, tokenizer_config.json and chat_template.jinja.",
    )
    chat_template = models.TextField(blank=True, help_text="Jinja; empty: the one of the assets.")
    fim_template = models.TextField(
        "fill-in-the-middle template",
        blank=True,
        help_text="Jinja with prefix and suffix, for completions with a suffix; empty: the model fills no gaps.",
    )
    reasoning_parser = models.CharField(
        max_length=40,
        blank=True,
        choices=reasoning_formats,
        help_text="Tells what the model thinks from what it answers; empty: all is answer.",
    )
    tool_parser = models.CharField(
        max_length=40,
        blank=True,
        choices=tool_call_formats,
        help_text="Tells calls of tools from what the model answers; empty: requests with tools are refused.",
    )
    first_token_timeout = models.PositiveIntegerField(default=120, validators=[MinValueValidator(1)])
    idle_timeout = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1)], help_text="Seconds between two tokens."
    )
    total_timeout = models.PositiveIntegerField(default=900, validators=[MinValueValidator(1)])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["model_id"]
        verbose_name = "model"

    def __str__(self) -> str:
        return self.model_id

    def clean(self) -> None:
        """Output limits fit the context, and a name leads to one model."""
        errors: dict[str, Any] = {}
        for size in self._sizes_needed():
            if not getattr(self, size):
                errors[size] = "At least 1."
        try:
            parse_image_sizes(self.image_sizes)
        except ImageSizesError as error:
            errors["image_sizes"] = str(error)
        if not _are_dimensions(self.embedding_dimensions):
            errors["embedding_dimensions"] = "A list of whole numbers above 0."
        if self.tool_parser == ToolCallFormat.OPENAI and self.reasoning_parser != ReasoningFormat.OPENAI_GPTOSS:
            errors["tool_parser"] = "gpt-oss's calls come out of its channels: choose that reasoning parser, too."
        if self.max_output_tokens and self.context_length and self.max_output_tokens > self.context_length:
            errors["max_output_tokens"] = "More than the context length."
        if (self.default_output_tokens or 0) > (self.max_output_tokens or self.default_output_tokens or 0):
            errors["default_output_tokens"] = "More than the most tokens of one answer."
        if ModelAlias.objects.filter(alias=self.model_id).exists():
            errors["model_id"] = "This is an alias of another model."
        if self.replacement_id is not None and self.replacement_id == self.pk:
            errors["replacement"] = "A model cannot replace itself."
        if errors:
            raise ValidationError(errors)

    def _sizes_needed(self) -> list[str]:
        """The limits without which what it does has no end."""
        capabilities = set(self.capabilities)
        if not TEXT_CAPABILITIES.isdisjoint(capabilities) or TENSOR_CAPABILITIES.isdisjoint(capabilities):
            return ["context_length", "max_output_tokens", "default_output_tokens"]
        return [] if capabilities.isdisjoint({"embeddings", "rerank"}) else ["context_length"]


def _are_dimensions(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and size > 0 for size in value)


class ModelAlias(models.Model):
    """Another name under which a model answers."""

    model = models.ForeignKey(ServedModel, on_delete=models.CASCADE, related_name="aliases")
    alias = models.CharField(max_length=200, unique=True, validators=[MODEL_ID])

    class Meta:
        verbose_name_plural = "model aliases"
        ordering = ["alias"]

    def __str__(self) -> str:
        return self.alias

    def clean(self) -> None:
        """An alias is not another model's id."""
        if ServedModel.objects.filter(model_id=self.alias).exists():
            raise ValidationError({"alias": "A model has this id."})


class ModelGrant(models.Model):
    """An organization that may use a model which is not public."""

    model = models.ForeignKey(ServedModel, on_delete=models.CASCADE, related_name="grants")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="model_grants")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "organization"], name="grant_once_per_organization")]

    def __str__(self) -> str:
        return f"{self.model} for {self.organization}"
