"""What may stand in a key's name, scopes, models, classes and networks, for forms and services alike."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ValidationError

from accounts.keys import contains_key
from accounts.networks import parse_network
from accounts.scopes import SCOPES

# The classes of `inference.models.ModelClass`, which accounts cannot import; a test compares them.
MODEL_CLASSES: dict[str, str] = {"premium": "Premium", "standard": "Standard"}
MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")


def clean_name(value: str) -> str:
    """A name without spaces around it. Raises `ValidationError` when it is empty, too long or holds a key."""
    name = value.strip()
    if not name:
        raise ValidationError("A key needs a name.")
    if len(name) > 100:
        raise ValidationError("The name has more than 100 characters.")
    if contains_key(name):
        raise ValidationError("This is an API key, not a name for one. Names are shown in lists.")
    return name


def clean_scopes(values: Iterable[str]) -> list[str]:
    """The scopes in the order of the table. Raises `ValidationError` for unknown ones, or for none at all."""
    return _known(values, SCOPES, "scope", needed=True)


def clean_classes(values: Iterable[str]) -> list[str]:
    """Model classes in the order of the table. Raises `ValidationError` for unknown ones."""
    return _known(values, MODEL_CLASSES, "model class", needed=False)


def clean_models(values: Iterable[str]) -> list[str]:
    """Model ids, each once. Raises `ValidationError` that names those that cannot be one."""

    def clean(value: str) -> str:
        if not MODEL_ID.fullmatch(value) or contains_key(value):
            raise ValueError(f"“{value[:60]}” cannot be a model id.")
        return value

    return _each(values, clean)


def clean_networks(values: Iterable[str]) -> list[str]:
    """CIDR ranges in their canonical form, each once. Raises `ValidationError` that names what is wrong."""
    return _each(values, lambda value: str(parse_network(value)))


CLEANERS: dict[str, Callable[[Any], Any]] = {
    "name": clean_name,
    "scopes": clean_scopes,
    "allowed_models": clean_models,
    "allowed_classes": clean_classes,
    "allowed_networks": clean_networks,
}


def clean_restrictions(values: dict[str, Any]) -> dict[str, Any]:
    """Each value cleaned by the function of its name. Raises one `ValidationError` with the messages of all fields."""
    cleaned, errors = {}, {}
    for field, value in values.items():
        try:
            cleaned[field] = CLEANERS[field](value) if field in CLEANERS else value
        except ValidationError as error:
            errors[field] = error.messages
    if errors:
        raise ValidationError(errors)
    return cleaned


def _known(values: Iterable[str], table: dict[str, str], what: str, *, needed: bool) -> list[str]:
    chosen = set(values)
    unknown = sorted(chosen - table.keys())
    if unknown:
        raise ValidationError(f"Unknown {what}: {', '.join(unknown)}. Known: {', '.join(table)}.")
    if needed and not chosen:
        raise ValidationError(f"Choose at least one {what}.")
    return [name for name in table if name in chosen]


def _each(values: Iterable[str], clean: Callable[[str], str]) -> list[str]:
    cleaned: dict[str, None] = {}
    errors = []
    for value in values:
        if not value.strip():
            continue
        try:
            cleaned[clean(value.strip())] = None
        except ValueError as error:
            errors.append(str(error))
    if errors:
        raise ValidationError(errors)
    return list(cleaned)
