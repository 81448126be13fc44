"""Everything that runs while something is measured."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Target
from benchmarks.installation import Installation
from benchmarks.processes import Server, cores, free_port, serve, uvicorn
from benchmarks.upstream import MODEL


@dataclass(slots=True)
class Stack:
    """The servers, by name, and the targets that load can be put on."""

    servers: dict[str, Server]
    targets: dict[str, Target]
    installation: Installation


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Engine, relay and one Hanse web process, all on free ports of 127.0.0.1; ended and removed afterwards.

    A second Hanse, `probe`, is there to be started by who needs it. Raises `StartError` or `InstallationError`.
    """
    server_core, load_core = cores()
    os.sched_setaffinity(0, load_core)
    ports = {name: free_port() for name in ("engine", "relay", "hanse", "probe")}
    generate = f"http://127.0.0.1:{ports['engine']}/v2/models/{MODEL}/generate_stream"
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="hanse-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        installation = Installation(folder, ports["hanse"])
        stack.callback(installation.drop)
        installation.create()
        key = installation.seed(f"http://127.0.0.1:{ports['engine']}")
        servers: dict[str, Server] = {}
        for name, command, ready in (
            (
                "engine",
                [sys.executable, "-m", "benchmarks.upstream", "--port", str(ports["engine"])],
                "/v2/health/ready",
            ),
            ("relay", uvicorn("benchmarks.relay:app", ports["relay"]), ""),
            ("hanse", serve(ports["hanse"]), "/healthz"),
            ("probe", uvicorn("benchmarks.probe:app", ports["probe"]), "/healthz"),
        ):
            servers[name] = Server(
                name,
                command,
                port=ports[name],
                core=load_core if name == "engine" else server_core,
                folder=folder,
                environment=installation.environment | {"RELAY_UPSTREAM": generate},
                ready=ready,
            )
            stack.callback(servers[name].stop)
        for name in ("engine", "relay", "hanse"):
            servers[name].start()
        plain = {"Content-Type": "application/json"}
        bearer = plain | {"Authorization": f"Bearer {key}"}
        chat = {name: f"http://127.0.0.1:{port}/v1/chat/completions" for name, port in ports.items()}
        targets = {
            "engine": Target("engine", generate, plain, openai=False),
            "relay": Target("relay", chat["relay"], plain, openai=False),
            "hanse": Target("hanse", chat["hanse"], bearer, openai=True),
            "probe": Target("probe", chat["probe"], bearer, openai=True),
        }
        yield Stack(servers, targets, installation)
