"""What the worker does for billing, on beat's schedule."""

from celery import shared_task

from billing import services


@shared_task
def roll_up_usage() -> None:
    """Every minute: the hourly sums."""
    services.roll_up_usage()


@shared_task
def close_interrupted_requests() -> None:
    """Every minute: what a killed process on this host left, first the records in its spool, then the open requests."""
    services.replay_spools()
    services.close_interrupted_requests()


@shared_task
def ensure_partitions() -> None:
    """Every hour: the months to come."""
    services.ensure_partitions()
