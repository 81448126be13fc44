"""Validation errors for people at a terminal."""

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError


def told(error: ValidationError) -> str:
    """One line for each message, with the option it is about."""
    return "\n".join(
        message if field in (None, NON_FIELD_ERRORS) else f"{field}: {message}"
        for field, messages in error.update_error_dict({}).items()
        for message in ValidationError(messages).messages
    )
