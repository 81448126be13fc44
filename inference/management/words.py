"""How commands tell of refused values."""

from django.core.exceptions import ValidationError


def in_words(error: ValidationError) -> str:
    """One line: each field with what is wrong with it."""
    return " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
