"""Run the embedded Triton in the foreground."""

import ctypes
import os
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.embedded_triton import DEMO_REPOSITORY, EmbeddedTriton, TritonError

_PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    """`manage.py triton`: ends on SIGTERM or Ctrl-C with status 0, and with the process that started it."""

    help = "Runs the embedded Triton server with the demo models in the foreground."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The ports (0: any free one), the models and how long loading may take."""
        for name in ("http", "grpc", "metrics"):
            default = os.environ.get(f"TRITON_{name.upper()}_PORT", "0")
            parser.add_argument(f"--{name}-port", type=int, default=default, help="0 (default): any free port.")
        parser.add_argument("--repository", type=Path, default=DEMO_REPOSITORY, help="Triton model repository.")
        parser.add_argument("--model", action="append", metavar="NAME", help="Load this one; default: all.")
        parser.add_argument("--timeout", type=float, default=120.0, help="Seconds until the models must be loaded.")

    def handle(self, *args: object, **options: Any) -> None:
        """Install, start, and supervise until a signal comes or the server ends by itself."""
        stopping = _StopSignals()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        port_file = Path(settings.VAR_DIR) / "triton" / "http-port"
        triton = EmbeddedTriton(
            Path(settings.VAR_DIR),
            Path(str(options["repository"])),
            models=options["model"] or ("*",),
            http_port=_port(options["http_port"]),
            grpc_port=_port(options["grpc_port"]),
            metrics_port=_port(options["metrics_port"]),
            progress=self._say,
        )
        # One of a killed run would name a port that is not ours.
        port_file.unlink(missing_ok=True)
        try:
            triton.start()
            triton.wait_ready(float(str(options["timeout"])))
            port_file.write_text(f"{triton.http_port}\n")
            self._say(f"Triton: ready on {triton.url} (metrics {triton.metrics_url}, log {triton.log_path})")
            while triton.poll() is None:
                time.sleep(0.5)
            raise CommandError(f"The embedded Triton ended by itself (status {triton.poll()}); see {triton.log_path}.")
        except TritonError as error:
            raise CommandError(str(error)) from error
        except _Stop:
            self._say("Triton: stopping ...")
        finally:
            # A second Ctrl-C must not cut the cleaning short.
            stopping.ignore()
            triton.stop()
            port_file.unlink(missing_ok=True)
        self._say("Triton: stopped.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _Stop(BaseException):
    """SIGTERM or SIGINT arrived; not an Exception, so that nothing on the way swallows it."""


class _StopSignals:
    """Turns SIGTERM and SIGINT into `_Stop`, once."""

    def __init__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def ignore(self) -> None:
        """Take no more signals."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.ignore()
        raise _Stop


def _port(value: object) -> int:
    return int(str(value))
