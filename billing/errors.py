"""What can go wrong with metering and prices."""

from accounts.errors import ApiError
from accounts.services.errors import ActRefused


class MeteringUnavailable(ApiError):
    """A usage record could not be written within the time a request may wait for it. Safe to retry."""

    status = 503
    code = "metering_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The service cannot record usage at the moment. Please try again.", headers={"retry-after": "5"}
        )


class PriceError(ActRefused):
    """A price that cannot be set or withdrawn as asked; the message says why."""
