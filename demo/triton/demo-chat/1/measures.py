"""What the demo model reports on Triton's metrics page, so that tests can see what it is doing."""

import triton_python_backend_utils as pb_utils

PUBLISH_SECONDS = 0.05


class Measures:
    """Counts in this process; `publish` hands changes to Triton, since every such call is a trip to the server."""

    def __init__(self, prefix: str) -> None:
        """`prefix`: what the names on the page begin with."""
        self.running = 0
        self.requests = 0
        self.cancelled = 0
        self.failed = 0
        self.tokens = 0
        self._published: dict[str, int] = {}
        # A family must live as long as its metrics, else loading fails.
        self._families = []
        self._metrics = {}
        for name, kind, description in (
            ("running", pb_utils.MetricFamily.GAUGE, "Requests being answered"),
            ("requests_total", pb_utils.MetricFamily.COUNTER, "Requests taken"),
            ("cancelled_total", pb_utils.MetricFamily.COUNTER, "Requests whose client went away"),
            ("failed_total", pb_utils.MetricFamily.COUNTER, "Requests answered with an error"),
            ("tokens_total", pb_utils.MetricFamily.COUNTER, "Tokens generated"),
        ):
            family = pb_utils.MetricFamily(name=f"{prefix}_{name}", description=description, kind=kind)
            self._families.append(family)
            self._metrics[name] = family.Metric(labels={})

    def publish(self) -> None:
        """Hand over what changed since the last time."""
        for name, metric in self._metrics.items():
            value = getattr(self, name.removesuffix("_total"))
            before = self._published.get(name, 0)
            if value != before:
                if name == "running":
                    metric.set(value)
                else:
                    metric.increment(value - before)
                self._published[name] = value
