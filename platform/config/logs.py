"""Structured logs that cannot hold content, whoever writes them.

Every record, ours or a library's, ends in `Formatter`, which lets through only what cannot be a customer's text:
a message that stands verbatim in its caller's source (so it is a constant, never an interpolated string), fields whose
name is on the allow-list and whose value looks like an identifier or a number, and of an exception its class and its
frames. Arguments of a message, exception texts and local variables are never written.
"""

import contextlib
import logging
import re
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import structlog

from config.env import BASE_DIR

FIELDS = frozenset(
    """
    action api_key attempts broker bytes cached_input_tokens chunks code command component cost_nano count database
    deployment elapsed_ms endpoint engine error error_code failures first_token_ms http_status input_tokens
    interrupted lag_ms method model open_requests organization organization_id outcome output_tokens pending pid
    port project queue_ms reason records request_id requests retry_after_ms route rows scope seconds server signal
    state status streamed table target task task_id total_ms triton_model version
    """.split()  # noqa: SIM905 - a table of words, not of quotes
)
# A library's fields under our names: attributes of its records, and the mapping that Celery passes as arguments.
RECORD_ATTRIBUTES = {"status_code": "http_status", **{name: name for name in FIELDS}}
MAPPING_ARGUMENTS = {"name": "task", "id": "task_id", "runtime": "seconds"}
# Lines that are no constant in their source, or little but a placeholder: what we say instead, and the number in them.
LISTENING = ("web server ready", {"port": 2})
REWORDED: dict[tuple[str, str], tuple[str, dict[str, int]]] = {
    ("uvicorn.error", "Uvicorn running on %s://%s:%d (Press CTRL+C to quit)"): LISTENING,
    ("uvicorn.error", "Uvicorn running on %s://[%s]:%d (Press CTRL+C to quit)"): LISTENING,
    ("celery.apps.worker", "%s ready."): ("worker ready", {}),
}
# Below WARNING they tell of every task and every connection, in placeholders whose arguments we do not write.
QUIET = (
    "asyncio",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "daphne",
    "httpx",
    "kombu",
)

# Shorter than an API key.
IDENTIFIER = re.compile(r"[A-Za-z0-9._:/+=,#\[\]-]{0,64}")
WORD = re.compile(r"[A-Za-z]{2}")
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[a-zA-Z]")
FRAMES = 16


def logging_config(*, level: str, log_format: str) -> dict[str, Any]:
    """Django's LOGGING for everything in this process; `log_format` is `json` or `console`. Sets structlog up too."""
    # A handler that fails would print the record, arguments included, to stderr.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Named, so that handlers which a library gave them before Django was set up are taken off again.
    ours: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"allow_list": {"()": "config.logs.Formatter", "log_format": log_format}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "allow_list"},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **dict.fromkeys(("django.server", "uvicorn", "uvicorn.error", "celery", "celery.task"), ours),
            # Django's own configuration keeps it at INFO.
            "django": {**ours, "level": level},
            # One line a request, with its path and query: /v1 writes its own.
            "uvicorn.access": {"handlers": ["nowhere"], "propagate": False},
            "django.channels.server": {"handlers": ["nowhere"], "propagate": False},
            **{name: {"level": "WARNING"} for name in QUIET},
            # Warns at every start that a broker in files has no host name.
            "kombu.connection": {"level": "ERROR"},
        },
    }


def quiet_hooks() -> None:
    """Sends what dies in a thread or in a destructor, and Python's warnings, through the log.

    Python's default prints their texts to stderr, with the objects that they are about.
    """

    def thread_died(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is not None and failure.exc_type is not SystemExit:
            exc_info = (failure.exc_type, failure.exc_value, failure.exc_traceback)
            logging.getLogger("config.logs").error("thread died", exc_info=exc_info)

    def ignored(failure: Any) -> None:
        if failure.exc_value is not None:
            exc_info = (failure.exc_type, failure.exc_value, failure.exc_traceback)
            logging.getLogger("config.logs").error("exception ignored", exc_info=exc_info)

    def warned(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        where = {"component": f"{short_path(filename)}:{lineno}", "error": category.__name__}
        logging.getLogger("config.logs").warning("python warning", extra=where)

    threading.excepthook = thread_died
    sys.unraisablehook = ignored
    warnings.showwarning = warned


class Formatter(logging.Formatter):
    """Renders a record as one JSON object, or as a line for people."""

    def __init__(self, log_format: str = "json") -> None:
        super().__init__()
        self.render = as_line if log_format == "console" else as_json

    def format(self, record: logging.LogRecord) -> str:
        """The record without anything that could be content."""
        return self.render(entry_of(record))


def entry_of(record: logging.LogRecord) -> dict[str, Any]:
    """What of `record` may be written."""
    if isinstance(record.msg, dict):  # structlog's, see wrap_for_formatter
        fields = dict(record.msg)
        message = fields.pop("event", "")
        exc_info = fields.pop("exc_info", None)
    else:
        fields = dict(fields_of(record))
        message = record.msg
        exc_info = record.exc_info
    entry = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event_of(record, message),
    }
    entry |= {name: value for name, value in fields.items() if name in FIELDS and is_harmless(value)}
    if (exception := exception_of(exc_info)) is not None:
        entry |= described(exception)
    return entry


def event_of(record: logging.LogRecord, message: Any) -> str:
    """The constant that `message` is, or where it was logged."""
    if (reworded := reworded_of(record)) is not None:
        return reworded[0]
    if is_constant(message, record.pathname):
        return with_numbers(message, record.args)
    return f"{record.name} in {record.funcName}"


def reworded_of(record: logging.LogRecord) -> tuple[str, dict[str, int]] | None:
    """What we say instead of the record's message, and which of its arguments is in which field."""
    return REWORDED.get((record.name, record.msg)) if isinstance(record.msg, str) else None


def fields_of(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """What came as `extra`, and the few arguments that we know."""
    if isinstance(record.args, tuple) and (reworded := reworded_of(record)) is not None:
        for name, place in reworded[1].items():
            if place < len(record.args) and isinstance(record.args[place], int):
                yield name, record.args[place]
    for attribute in sorted(RECORD_ATTRIBUTES.keys() & record.__dict__.keys()):
        yield RECORD_ATTRIBUTES[attribute], record.__dict__[attribute]
    if isinstance(record.args, Mapping):
        for argument, name in MAPPING_ARGUMENTS.items():
            if argument in record.args:
                yield name, record.args[argument]


def is_harmless(value: object) -> bool:
    """Whether a field's value is a number, a truth value or looks like an identifier."""
    return (
        value is None
        or isinstance(value, bool | int | float)
        or bool(isinstance(value, str) and IDENTIFIER.fullmatch(value))
    )


def with_numbers(message: str, arguments: object) -> str:
    """`message` with its arguments where all of them are numbers, else with an ellipsis for each."""
    if isinstance(arguments, tuple) and arguments and all(isinstance(value, int | float) for value in arguments):
        with contextlib.suppress(TypeError, ValueError):
            return message % arguments
    return " ".join(PLACEHOLDER.sub("…", message).replace("%%", "%").split()) if arguments else message


def is_constant(message: object, path: str) -> bool:
    """Whether `message` has words, and stands word for word in the file that logged it."""
    if not isinstance(message, str) or not WORD.search(message):
        return False
    source = source_of(path)
    return message in source or repr(message)[1:-1] in source


@lru_cache(maxsize=512)
def source_of(path: str) -> str:
    """The text of a source file; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def exception_of(exc_info: Any) -> BaseException | None:
    """The exception that `exc_info` means, in any of the forms that logging accepts."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def described(exception: BaseException) -> dict[str, Any]:
    """Class and frames of an exception, and the classes of those that led to it. Never a text."""
    frames = [
        f"{short_path(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(exception.__traceback__)
    ]
    entry: dict[str, Any] = {"exception": class_name(exception), "frames": frames[-FRAMES:]}
    if isinstance(exception, BaseExceptionGroup):
        entry["exceptions"] = [class_name(inner) for inner in exception.exceptions[:FRAMES]]
    if causes := [class_name(cause) for cause in chain_of(exception)]:
        entry["caused_by"] = causes
    return entry


def chain_of(exception: BaseException) -> Iterator[BaseException]:
    """The causes and contexts of `exception`, nearest first."""
    seen = {id(exception)}
    current = exception
    for _ in range(FRAMES):
        following = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if following is None or id(following) in seen:
            return
        seen.add(id(following))
        yield following
        current = following


def class_name(exception: BaseException) -> str:
    """`module.Class`, or only the class of a built-in one."""
    kind = type(exception)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def short_path(path: str) -> str:
    """A source file's path without where on the machine it lies."""
    for marker in ("/site-packages/", "/dist-packages/"):
        if marker in path:
            return path.rpartition(marker)[2]
    for root in (f"{BASE_DIR}/", f"{sysconfig.get_path('stdlib')}/"):
        if path.startswith(root):
            return path.removeprefix(root)
    return Path(path).name


def as_json(entry: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return msgspec.json.encode(entry).decode()


def as_line(entry: Mapping[str, Any]) -> str:
    """A line for a terminal, with an exception's frames below it."""
    rest = dict(entry)
    time, level, event, frames = rest.pop("time"), rest.pop("level"), rest.pop("event"), rest.pop("frames", [])
    rest.pop("logger")
    line = f"{time[11:19]} {level:<8} {event}" + "".join(f" {name}={value}" for name, value in rest.items())
    return "\n    ".join([line, *frames])
