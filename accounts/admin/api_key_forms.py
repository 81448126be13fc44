"""The forms of the key pages."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.admin.fields import LinesField
from accounts.models import ApiKey
from accounts.restrictions import MODEL_CLASSES, clean_models, clean_name, clean_networks
from accounts.scopes import DEFAULT_SCOPES, SCOPES
from accounts.selectors import key_with_name


class ApiKeyForm(forms.ModelForm):
    """What a key is called and may do."""

    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{text} ({name})") for name, text in SCOPES.items()],
        initial=DEFAULT_SCOPES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one scope."},
    )
    allowed_models = LinesField(
        clean_values=clean_models, help_text="Model ids, one a line. Empty: every model of the allowed classes."
    )
    allowed_classes = forms.MultipleChoiceField(
        choices=list(MODEL_CLASSES.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: every class. With models and classes, a model has to match both.",
    )
    allowed_networks = LinesField(
        clean_values=clean_networks,
        help_text="IP addresses or CIDR ranges, one a line: 192.0.2.0/24, 2001:db8::/32. Empty: from anywhere.",
    )

    class Meta:
        model = ApiKey
        fields = ["project", "name", "scopes", "allowed_models", "allowed_classes", "allowed_networks", "expires_at"]

    def clean_name(self) -> str:
        """The name. Raises `ValidationError` when it cannot be one."""
        return clean_name(self.cleaned_data["name"])

    def clean_expires_at(self) -> Any:
        """The expiry. Raises `ValidationError` for a new one in the past: to end a key, revoke it."""
        moment = self.cleaned_data["expires_at"]
        if moment is not None and "expires_at" in self.changed_data and moment <= timezone.now():
            raise ValidationError("This moment has passed. To end a key now, revoke it.")
        return moment

    def clean(self) -> dict[str, Any]:
        """All fields, with the name checked against the project's other keys."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        project = cleaned.get("project") or (self.instance.project if self.instance.pk is not None else None)
        if project is not None and "name" in cleaned:
            taken = key_with_name(project, cleaned["name"])
            if taken is not None and taken.pk != self.instance.pk:
                self.add_error("name", "The project has a key with this name already.")
        return cleaned


class RotateForm(forms.Form):
    """How long the old secret works beside the new one."""

    hours = forms.IntegerField(
        label="Overlap, hours",
        min_value=0,
        max_value=24 * 90,
        help_text="Old and new secret both work for this long. 0: the old one stops at once.",
    )
    secret = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, newest_secret: int | None) -> None:
        super().__init__(data, initial={"hours": settings.KEY_ROTATION_OVERLAP_HOURS, "secret": newest_secret})

    def overlap(self) -> timedelta:
        """The hours as a duration, from a valid form."""
        return timedelta(hours=self.cleaned_data["hours"])
