"""How much: prices, usage records and their rollups."""

from billing.models.price import PriceInEffectError, PriceVersion
from billing.models.usage import Outcome, RollupWatermark, TokenSource, UsageHour, UsageRecord

__all__ = [
    "Outcome",
    "PriceInEffectError",
    "PriceVersion",
    "RollupWatermark",
    "TokenSource",
    "UsageHour",
    "UsageRecord",
]
