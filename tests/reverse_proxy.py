"""A reverse proxy for the tests: nginx with the configuration that `docs/operations.md` recommends.

Debian's package is unpacked below var/, never installed: an installed one would take port 80 at once. Where there is
none to be had, a small proxy of ours repeats what nginx would.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

from tests.engines import ROOT, free_port

UNPACKED = ROOT / "var" / "nginx"
HEAD = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
access_log off;
client_body_temp_path body;
proxy_temp_path proxy;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
"""


def nginx_path() -> str | None:
    """The program; None where there is none that runs."""
    for path in (shutil.which("nginx"), str(UNPACKED / "usr" / "sbin" / "nginx")):
        if (
            path
            and Path(path).exists()
            and subprocess.run([path, "-v"], capture_output=True, check=False).returncode == 0
        ):
            return path
    return None


def unpack_nginx() -> None:
    """Gets Debian's package; without apt-get, or without a network, nothing happens."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
        if subprocess.run(["apt-get", "download", "nginx"], **quiet).returncode != 0 and os.geteuid() == 0:
            subprocess.run(["apt-get", "update"], **quiet)
            subprocess.run(["apt-get", "download", "nginx"], **quiet)
        for package in Path(folder).glob("nginx_*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(UNPACKED)], **quiet)


def recommended(port: int, backends: list[int]) -> str:
    """The page's configuration with our ports."""
    page = (ROOT / "docs" / "operations.md").read_text()
    text = re.search(r"```nginx\n(.+?)```", page, re.DOTALL)[1]
    ports = {"8000": port, "8001": backends[0], "8002": backends[1]}
    for written, ours in ports.items():
        text, count = re.subn(rf"127\.0\.0\.1:{written}\b", f"127.0.0.1:{ours}", text)
        assert count == 1
    return text


@contextmanager
def reverse_proxy(folder: Path, backends: list[int]) -> Iterator[str]:
    """A proxy in front of two ports of 127.0.0.1; its URL."""
    if path := nginx_path():
        with nginx(path, folder, backends) as url:
            yield url
    else:
        with small_proxy(backends) as url:
            yield url


@contextmanager
def nginx(path: str, folder: Path, backends: list[int]) -> Iterator[str]:
    """nginx, with its files in `folder`."""
    port = free_port()
    (folder / "nginx.conf").write_text(f"{HEAD}{recommended(port, backends)}}}\n")
    command = [path, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not listens(port):
            assert process.poll() is None, (folder / "nginx.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Prompts and answers have no business on disk: what wants to write one fails.
        (folder / "body").rmdir()
        (folder / "proxy").rmdir()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def small_proxy(backends: list[int]) -> Iterator[str]:
    """Passes requests on to the backends in turn, and to the next one what is refused or answered with 503."""
    turn = count()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            first = next(turn)
            for attempt in range(len(backends)):
                port = backends[(first + attempt) % len(backends)]
                with closing(HTTPConnection("127.0.0.1", port)) as backend:
                    try:
                        backend.request("POST", self.path, body, dict(self.headers))
                        answer = backend.getresponse()
                    except ConnectionError:
                        continue
                    if answer.status != 503 or attempt == len(backends) - 1:
                        self.pass_on(answer)
                        return
            self.send_error(502)

        def pass_on(self, answer: HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "transfer-encoding"}:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
