"""The form of a deployment: its secret, its tensor map, and what Triton says to it."""

import json
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from inference.backend_secrets import BackendSecretUnreadable
from inference.deployment_check import fit_tensor_map
from inference.models import Deployment
from inference.tensor_presets import PRESETS


class TensorMapField(forms.JSONField):
    """JSON over several lines; nothing where there is no map."""

    widget = forms.Textarea(attrs={"rows": 18, "cols": 90, "spellcheck": "false", "class": "hanse-code"})

    def prepare_value(self, value: Any) -> Any:
        """A line for each tensor."""
        return in_lines(value) if isinstance(value, dict) and value else super().prepare_value(value or "")


def in_lines(tensor_map: dict[str, Any]) -> str:
    """A tensor map as JSON text, a line for each tensor."""
    parts = []
    for name, value in tensor_map.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"    {json.dumps(one)}" for one in value) + "\n  ]"
        elif isinstance(value, dict) and value:
            text = (
                "{\n" + ",\n".join(f"    {json.dumps(key)}: {json.dumps(one)}" for key, one in value.items()) + "\n  }"
            )
        parts.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}"


class DeploymentForm(forms.ModelForm):
    """A deployment; the secret is written, never shown."""

    preset = forms.ChoiceField(
        required=False,
        choices=[("", "---------"), *((name, preset.title) for name, preset in PRESETS.items())],
        help_text="Fills in an empty tensor map when the deployment is saved; adapt the names to your model then.",
    )
    tensor_map = TensorMapField(
        required=False,
        help_text="JSON: the tensors that are sent and read (docs/tensor-models.md). Compared with Triton's"
        " configuration of the model when it is saved.",
    )

    secret = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Value of the secret header. Leave empty to keep the one that is set.",
    )

    # Why the map was not compared, if it was not.
    unchecked: str | None = None

    class Meta:
        model = Deployment
        fields: ClassVar[list[str]] = []  # the admin fills them in from its fieldsets

    def clean(self) -> dict[str, Any]:
        """A secret needs a header to travel in."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("secret") and not cleaned.get("secret_header"):
            self.add_error("secret_header", "Name the header that carries the secret.")
        preset = PRESETS.get(cleaned.get("preset") or "")
        if preset is not None and not cleaned.get("tensor_map") and "tensor_map" not in self.errors:
            cleaned["tensor_map"] = preset.tensor_map
            # To be seen and changed, should it not fit.
            shown = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
            shown[self.add_prefix("tensor_map")] = in_lines(preset.tensor_map)
            self.data = shown
        cleaned["tensor_map"] = cleaned.get("tensor_map") or {}
        return cleaned

    def _post_clean(self) -> None:
        """Django's; and a tensor map has what the model in Triton has."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors and self.instance.adapter == Deployment.Adapter.TRITON_TENSORS:
            try:
                self.unchecked = fit_tensor_map(self.instance, self.cleaned_data.get("secret") or None)
            except ValidationError as error:
                self.add_error(None, error)
            except BackendSecretUnreadable:
                self.add_error("secret", "The stored secret cannot be read any more: type it again.")
