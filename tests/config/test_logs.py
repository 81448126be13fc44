"""Nothing that could be content reaches a log, whoever logs it and however."""

import ast
import asyncio
import json
import logging
import subprocess
import sys
import threading
import warnings

import pytest
import structlog
from django.test import Client

from config.logs import FIELDS, RECORD_ATTRIBUTES, Formatter, entry_of, is_harmless, quiet_hooks
from tests.engines import ROOT, plain_environment

CANARY = "canary-7f3a"
SENTENCE = f"please remember {CANARY}"


class Lines(logging.Handler):
    """Keeps what the formatter makes of each record, in both formats."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.entries: list[dict] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [Formatter("json").format(record), Formatter("console").format(record)]
        self.entries.append(json.loads(self.texts[-2]))


@pytest.fixture
def lines():
    handler = Lines()
    root = logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    assert handler.entries, "the test logged nothing"
    assert CANARY not in "".join(handler.texts)


def test_fields_on_the_list_are_written_and_others_are_not(lines):
    structlog.get_logger("inference").info("request finished", model="demo-chat", output_tokens=7, prompt=CANARY)
    (entry,) = lines.entries
    assert entry["event"] == "request finished"
    assert (entry["model"], entry["output_tokens"], entry["level"]) == ("demo-chat", 7, "info")
    assert "prompt" not in entry


def test_listed_field_is_dropped_when_its_value_is_a_sentence_or_a_structure(lines):
    structlog.get_logger("inference").info("request finished", model=SENTENCE, route=[CANARY], task={"a": CANARY})
    assert set(lines.entries[0]) == {"time", "level", "logger", "event"}


def test_api_key_never_fits_into_a_field():
    from accounts.keys import make_key

    assert not is_harmless(make_key().text)
    assert is_harmless("0199e0a2-6d6a-7c1f-9d3e-2f6f6a1f7b10")
    assert is_harmless("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8")


def test_interpolated_event_is_replaced_by_its_place(lines):
    structlog.get_logger("inference").info(f"prompt was {CANARY}")
    assert lines.entries[0]["event"] == ("inference in test_interpolated_event_is_replaced_by_its_place")


def test_library_record_keeps_its_template_and_loses_its_arguments(lines):
    logging.getLogger("somebody").warning("could not parse %s at %d", CANARY, 5)
    assert lines.entries[0]["event"] == "could not parse … at …"


def test_library_record_in_several_lines_becomes_one_without_placeholders(lines):
    logging.getLogger("somebody").warning("task %(label)s:\n%(text)r at 100%%\n", {"label": CANARY, "text": CANARY})
    logging.getLogger("somebody").warning("it is 100% sure")
    assert [entry["event"] for entry in lines.entries] == ["task …: … at 100%", "it is 100% sure"]


def test_library_record_keeps_arguments_that_are_all_numbers(lines):
    logging.getLogger("somebody").warning("Started process [%d]", 4711)
    logging.getLogger("somebody").warning("%s: %s", CANARY, 5)
    assert [entry["event"] for entry in lines.entries] == [
        "Started process [4711]",
        "somebody in test_library_record_keeps_arguments_that_are_all_numbers",
    ]


def test_start_of_the_web_server_tells_its_port_and_nothing_else(lines):
    import uvicorn
    from django.core.handlers.asgi import ASGIHandler

    for host in ("127.0.0.1", "::1"):
        config = uvicorn.Config(ASGIHandler(), host=host, port=8123, root_path=CANARY, log_config=None)
        config.load()
        uvicorn.Server(config)._log_started_message([])
    assert [(entry["event"], entry["port"]) for entry in lines.entries] == [("web server ready", 8123)] * 2


def test_start_of_a_worker_does_not_tell_its_name(lines):
    from celery import Celery
    from celery.apps.worker import Worker

    worker = Worker.__new__(Worker)
    worker.hostname = CANARY
    worker.app = Celery("canary", broker="memory://", set_as_current=False)
    worker.on_consumer_ready(None)
    assert [entry["event"] for entry in lines.entries] == ["worker ready"]


def test_line_that_we_reword_writes_numbers_only(lines):
    known = "Uvicorn running on %s://%s:%d (Press CTRL+C to quit)"
    logging.getLogger("uvicorn.error").info(known, CANARY, CANARY, CANARY)
    logging.getLogger("uvicorn.error").info(known, CANARY)
    logging.getLogger("somebody").info(known, CANARY, CANARY, 8000)
    assert [entry.get("port") for entry in lines.entries] == [None] * 3


@pytest.mark.parametrize(
    "name", ["celery.app.trace", "celery.beat", "celery.worker.consumer.tasks", "kombu.connection"]
)
def test_routine_of_queues_is_quiet_and_their_trouble_is_not(lines, name):
    logging.getLogger(name).info("task %s came", CANARY)
    logging.getLogger(name).error("task %s was lost", CANARY)
    assert [entry["event"] for entry in lines.entries] == ["task … was lost"]


def test_library_record_with_a_finished_text_loses_it(lines):
    logging.getLogger("somebody").warning("could not parse " + CANARY)  # noqa: G003
    assert lines.entries[0]["event"].startswith("somebody in test_library_record")


def test_extra_fields_of_a_record_pass_the_same_list(lines):
    extra = {"deployment": "a100-1", "status_code": 503, "prompt": CANARY, "model": SENTENCE}
    logging.getLogger("inference.routing").warning("deployment_failed", extra=extra)
    (entry,) = lines.entries
    assert (entry["deployment"], entry["http_status"]) == ("a100-1", 503)
    assert "prompt" not in entry
    assert "model" not in entry


def fail() -> None:
    secret = CANARY  # a local variable that a traceback with locals would show
    raise ValueError(f"bad text: {secret}")


@pytest.mark.parametrize("log", [structlog.get_logger("ours"), logging.getLogger("theirs")])
def test_exception_is_its_class_and_frames_without_text(lines, log):
    try:
        try:
            fail()
        except ValueError as error:
            raise KeyError(CANARY) from error
    except KeyError:
        log.exception("it failed")
    (entry,) = lines.entries
    assert entry["exception"] == "KeyError"
    assert entry["caused_by"] == ["ValueError"]
    assert entry["frames"][-1].startswith("tests/config/test_logs.py:")


def test_exception_group_names_the_classes_in_it(lines):
    group = ExceptionGroup(CANARY, [ValueError(CANARY), OSError(CANARY)])
    logging.getLogger("asyncio").error("tasks failed", exc_info=group)
    assert lines.entries[0]["exceptions"] == ["ValueError", "OSError"]


def test_asyncio_tells_of_a_forgotten_task_without_its_text(lines):
    async def main() -> None:
        async def broken() -> None:
            fail()

        task = asyncio.get_running_loop().create_task(broken())
        await asyncio.sleep(0)
        del task
        import gc

        gc.collect()

    asyncio.run(main())
    assert lines.entries[0]["logger"] == "asyncio"
    assert lines.entries[0]["exception"] == "ValueError"


def test_django_tells_of_a_failed_page_without_path_or_text(lines, rf):
    from django.core.handlers.exception import response_for_exception

    try:
        fail()
    except ValueError as error:
        response_for_exception(rf.get(f"/page/{CANARY}?q={CANARY}"), error)
    (entry,) = [entry for entry in lines.entries if entry["logger"] == "django.request"]
    assert entry["http_status"] == 500
    assert entry["exception"] == "ValueError"


def test_django_tells_of_an_unknown_page_without_its_path(lines):
    assert Client().get(f"/nowhere/{CANARY}").status_code == 404
    assert any(entry.get("http_status") == 404 for entry in lines.entries)


def test_django_tells_of_a_wrong_host_without_it(lines):
    assert Client().get("/login/", headers={"host": f"{CANARY}.example"}).status_code == 400
    assert any(entry["logger"].startswith("django.security") for entry in lines.entries)


def test_celery_tells_of_a_failed_task_by_name_without_arguments_or_text(lines):
    from celery import Celery
    from celery.app.trace import build_tracer

    app = Celery("canary", broker="memory://")

    @app.task(name="billing.tasks.example")
    def example(text: str) -> None:
        fail()

    tracer = build_tracer(example.name, example, app=app, propagate=False)
    tracer("0199e0a2", (SENTENCE,), {}, request={"id": "0199e0a2", "argsrepr": CANARY, "hostname": "here"})
    (entry,) = [entry for entry in lines.entries if entry["logger"] == "celery.app.trace"]
    assert (entry["task"], entry["task_id"]) == ("billing.tasks.example", "0199e0a2")
    assert entry["exception"] == "ValueError"


def test_thread_that_dies_is_logged_without_text(lines, capsys, monkeypatch):
    for module, name in ((threading, "excepthook"), (sys, "unraisablehook"), (warnings, "showwarning")):
        monkeypatch.setattr(module, name, getattr(module, name))
    quiet_hooks()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert lines.entries[0]["event"] == "thread died"
    assert lines.entries[0]["exception"] == "ValueError"
    assert CANARY not in capsys.readouterr().err


def test_a_warning_of_python_is_logged_without_text(lines, capsys, monkeypatch):
    for module, name in ((threading, "excepthook"), (sys, "unraisablehook"), (warnings, "showwarning")):
        monkeypatch.setattr(module, name, getattr(module, name))
    quiet_hooks()
    warnings.showwarning(ResourceWarning(f"unclosed {CANARY}"), ResourceWarning, __file__, 17, line=CANARY)
    (entry,) = lines.entries
    assert (entry["event"], entry["error"]) == ("python warning", "ResourceWarning")
    assert entry["component"] == "tests/config/test_logs.py:17"
    assert CANARY not in "".join([*lines.texts, capsys.readouterr().err])


def test_every_process_logs_through_the_allow_list(tmp_path):
    """A whole process, in which a handler of Django, uvicorn or Celery that was left would show."""
    code = """
import logging, uvicorn
canary = "-".join(["canary", "7f3a"])
config = uvicorn.Config("config.asgi:application")  # sets up logging of its own, as the command does
config.load()
from config.celery import app
app.log.setup(loglevel="INFO")
names = "uvicorn uvicorn.error uvicorn.access django django.request django.server django.channels.server celery"
for name in (names + " celery.task celery.worker daphne.http_protocol aiohttp.client kombu asyncio somebody").split():
    try:
        raise ValueError(canary)
    except ValueError:
        logging.getLogger(name).exception("Exception in ASGI application " + canary)
        logging.getLogger(name).error("args %s", canary)
"""
    env = plain_environment() | {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert CANARY not in done.stdout + done.stderr
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(entries) >= 20
    assert {entry["exception"] for entry in entries if "exception" in entry} == {"ValueError"}


def test_handler_that_fails_prints_no_record(capsys):
    class Broken(logging.StreamHandler):
        def format(self, record: logging.LogRecord) -> str:
            raise ValueError(CANARY)

    logger = logging.getLogger("broken")
    logger.addHandler(Broken())
    try:
        logger.error("text %s", CANARY)
    finally:
        logger.handlers.clear()
    assert CANARY not in capsys.readouterr().err


def log_calls() -> list[tuple[str, ast.Call]]:
    """Every call of a logger in our code, with where it is."""
    calls = []
    for folder in ("accounts", "billing", "inference", "platform/config"):
        for path in (ROOT / folder).rglob("*.py"):
            calls += [
                (f"{path.relative_to(ROOT)}:{node.lineno}", node)
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"log", "logger"}
                and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
            ]
    assert len(calls) > 5
    return calls


def test_our_events_are_constants_without_arguments():
    wrong = [
        place
        for place, call in log_calls()
        if len(call.args) != 1 or not isinstance(call.args[0], ast.Constant) or not isinstance(call.args[0].value, str)
    ]
    assert wrong == []


def test_our_fields_are_on_the_list():
    unlisted = {}
    for place, call in log_calls():
        names = [keyword.arg for keyword in call.keywords if keyword.arg not in {"exc_info", "extra"}]
        for keyword in call.keywords:
            if keyword.arg == "extra":
                assert isinstance(keyword.value, ast.Dict), place
                names += [key.value for key in keyword.value.keys if isinstance(key, ast.Constant)]
        if wrong := set(names) - FIELDS:
            unlisted[place] = wrong
    assert unlisted == {}


def test_no_listed_field_is_one_that_every_record_has():
    record = logging.LogRecord("name", logging.INFO, __file__, 1, "message", (), None)
    assert not RECORD_ATTRIBUTES.keys() & record.__dict__.keys()
    assert set(entry_of(record)) == {"time", "level", "logger", "event"}
