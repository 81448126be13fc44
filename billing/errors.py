"""What can go wrong with metering and prices."""

from accounts.errors import ApiError


class MeteringUnavailable(ApiError):
    """A usage record could not be written within the time a request may wait for it. Safe to retry."""

    status = 503
    code = "metering_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The service cannot record usage at the moment. Please try again.", headers={"retry-after": "5"}
        )


class PriceError(ValueError):
    """A price that cannot be set as asked; the message says why."""
