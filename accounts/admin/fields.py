"""Form fields for lists: one value a line."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms


class LinesField(forms.CharField):
    """A list of short texts, written one a line; `clean_values` checks and normalises it."""

    def __init__(self, *, clean_values: Callable[[Iterable[str]], list[str]], **kwargs: Any) -> None:
        self.clean_values = clean_values
        widget = forms.Textarea(attrs={"rows": 3, "cols": 60, "spellcheck": "false", "autocomplete": "off"})
        super().__init__(**{"required": False, "widget": widget, "strip": True, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """The lines, from the list that the row holds; what the person typed stays as it is."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """The list. Raises `ValidationError` with a sentence for each line that is wrong."""
        return self.clean_values((super().to_python(value) or "").splitlines())

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether other values are meant; spaces and empty lines are not a change."""
        lines = [line.strip() for line in (data or "").splitlines()]
        return [line for line in lines if line] != list(initial or [])
