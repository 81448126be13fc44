"""Writes: prices, interrupted requests, spooled records, rollups, partitions."""

from billing.services.interrupted import close_interrupted_requests
from billing.services.prices import set_price, withdraw_price
from billing.services.rollups import roll_up_usage
from billing.services.spooled import replay_spools
from billing.services.storage import ensure_partitions

__all__ = [
    "close_interrupted_requests",
    "ensure_partitions",
    "replay_spools",
    "roll_up_usage",
    "set_price",
    "withdraw_price",
]
