"""Forms of the key pages."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import Organization, Project
from accounts.restrictions import clean_networks
from accounts.scopes import DEFAULT_SCOPES, SCOPES
from accounts.selectors import projects_of

FIELD_OF = {
    "name": "name",
    "expires_at": "last_day",
    "scopes": "scopes",
    "allowed_models": "models",
    "allowed_networks": "networks",
}
"""Where a form shows what the service says of its argument."""


class IssueKeyForm(forms.Form):
    """What a new key is called and may do."""

    name = forms.CharField(max_length=100, help_text="Where the key is used, so that you know it again.")
    project = forms.ModelChoiceField(queryset=Project.objects.none(), empty_label=None)
    last_day = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The key stops at the end of this day (UTC). Empty: it works until you revoke it.",
    )
    scopes = forms.MultipleChoiceField(
        label="May be used for",
        choices=list(SCOPES.items()),
        initial=DEFAULT_SCOPES,
        widget=forms.CheckboxSelectMultiple,
    )
    models = forms.MultipleChoiceField(
        label="Only these models",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: every model that your organization may use, also those that come later.",
    )
    networks = forms.CharField(
        label="Only from these addresses",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="One IP address or CIDR range a line, for example 192.0.2.0/24. Empty: from anywhere.",
    )

    def __init__(self, *args: Any, organization: Organization, models: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects = list(projects_of(organization))
        project = self.fields["project"]
        project.queryset = projects_of(organization).select_related("organization")  # type: ignore[attr-defined]
        project.choices = [(one.pk, one.name) for one in projects]  # type: ignore[attr-defined]
        if projects:
            project.initial = projects[0].pk
        self.several_projects = len(projects) > 1
        self.fields["models"].choices = [(model, model) for model in models]  # type: ignore[attr-defined]

    def add_service_errors(self, error: ValidationError) -> None:
        """Shows what the service refused, each message at its field."""
        for name, errors in error.update_error_dict({}).items():
            self.add_error(FIELD_OF.get(name), errors)

    def clean_last_day(self) -> datetime | None:
        """The moment at which the key stops: the midnight that ends the day, UTC."""
        day: date | None = self.cleaned_data["last_day"]
        if day is None:
            return None
        if day < timezone.now().astimezone(UTC).date():
            raise ValidationError("This day has passed.")
        if day.year > 2999:
            raise ValidationError("Leave this empty for a key without an end.")
        return datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)

    def clean_networks(self) -> list[str]:
        """CIDR ranges in their usual writing."""
        return clean_networks(self.cleaned_data["networks"].splitlines())
