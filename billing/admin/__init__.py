"""The operators' admin of prices and usage."""

from billing.admin.price import PriceVersionAdmin
from billing.admin.usage import UsageHourAdmin, UsageRecordAdmin

__all__ = ["PriceVersionAdmin", "UsageHourAdmin", "UsageRecordAdmin"]
