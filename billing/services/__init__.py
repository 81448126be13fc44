"""Writes: prices, interrupted requests, rollups, partitions."""

from billing.services.interrupted import close_interrupted_requests
from billing.services.prices import set_price, withdraw_price
from billing.services.rollups import roll_up_usage
from billing.services.storage import ensure_partitions

__all__ = ["close_interrupted_requests", "ensure_partitions", "roll_up_usage", "set_price", "withdraw_price"]
