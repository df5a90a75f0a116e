"""``citylake up``: the gateway, the data bureau's page, Dagster's webserver and its daemon, started together and stopped together.

Here belongs only the supervision of processes. Every listener binds to loopback; what they do is elsewhere.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import httpx

from catalog.errors import MendableError
from lake.home import Home
from pipelines.alerts import alert
from pipelines.data_docs import PAGE_URL
from pipelines.definitions import assemble, open_context
from pipelines.instance import instance, prepare, settings_file
from pipelines.watch import Watch

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 20


class PortTakenError(MendableError, RuntimeError):
    """Something else listens there; says which option chooses another port."""

    def __init__(self, name: str, port: int, option: str) -> None:
        super().__init__(
            f"port {port} for the {name} is taken: stop what listens there, or choose another with {option}"
        )


@dataclass(frozen=True)
class Service:
    """One process of ours: its name, its command, where it answers (or None), and its log file's name."""

    name: str
    command: Sequence[str]
    url: str | None = None

    @property
    def log(self) -> str:
        """The log file's name in ``CITYLAKE_HOME/logs``."""
        return f"{self.name}.log"


def services(gateway_port: int, dagster_port: int, page_port: int) -> list[Service]:
    """The four processes of a running city."""
    workspace = ["-w", str(settings_file("workspace.yaml"))]
    python = sys.executable
    return [
        gateway_service(gateway_port),
        Service(
            "dashboard",
            [python, "-m", "pipelines.cli", "dashboard", "--port", str(page_port)],
            f"http://{LOOPBACK}:{page_port}/healthz",
        ),
        Service(
            "dagster-webserver",
            [python, "-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(dagster_port), *workspace],
            f"http://{LOOPBACK}:{dagster_port}/server_info",
        ),
        Service("dagster-daemon", [python, "-m", "dagster._daemon", "run", *workspace]),
    ]


def gateway_service(port: int) -> Service:
    """The process that departments push to."""
    return Service(
        "gateway",
        [sys.executable, "-m", "pipelines.cli", "gateway", "--port", str(port)],
        f"http://{LOOPBACK}:{port}/healthz",
    )


def require_free(port: int, name: str, option: str) -> None:
    """Raise :class:`PortTakenError` where something listens on the port already."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise PortTakenError(name, port, option)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    home: Home, wanted: Sequence[Service], page_url: str = ""
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the services; on leaving, interrupt all, wait, and kill what does not go. ``page_url`` is where the data
    bureau's page is, unless the environment says where people reach it."""
    environment = prepare(home)
    if page_url:
        environment.setdefault(PAGE_URL, page_url)
    logs = home.root / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        stack.callback(_stop, processes)
        for service in wanted:
            log = stack.enter_context((logs / service.log).open("ab"))
            processes.append(
                subprocess.Popen(
                    service.command,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        yield processes


def wait_until_up(
    home: Home, service: Service, process: subprocess.Popen[bytes], timeout: float = 120
) -> None:
    """Return once the service answers; raises RuntimeError with the end of its log where it does not."""
    deadline = time.monotonic() + timeout
    while service.url:
        if process.poll() is not None or time.monotonic() > deadline:
            msg = f"{service.name} did not start:\n{_tail(home.root / 'logs' / service.log)}"
            raise RuntimeError(msg)
        try:
            if httpx.get(service.url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)


def supervise(
    home: Home, gateway_port: int, dagster_port: int, page_port: int, say: Callable[[str], None]
) -> int:
    """Run all services until Ctrl-C, or until one of them dies; returns the exit code."""
    require_free(gateway_port, "gateway", "--gateway-port")
    require_free(page_port, "data bureau's page", "--page-port")
    require_free(dagster_port, "Dagster webserver", "--dagster-port")
    dg.Definitions.validate_loadable(assemble(open_context(home)))
    wanted = services(gateway_port, dagster_port, page_port)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with running(home, wanted, f"http://{LOOPBACK}:{page_port}") as processes:
        for service, process in zip(wanted, processes, strict=True):
            wait_until_up(home, service, process)
        say(f"网关 gateway     http://{LOOPBACK}:{gateway_port}/docs")
        say(f"看板 page        http://{LOOPBACK}:{page_port}  （账号 accounts: citylake user create）")
        say(f"Dagster          http://{LOOPBACK}:{dagster_port}/asset-groups")
        say(f"日志 logs        {home.root / 'logs'}")
        say("按 Ctrl-C 停止全部 · Ctrl-C stops all")
        watch = Watch(instance(home))
        while not stopping:
            watch.look()
            for service, process in zip(wanted, processes, strict=True):
                if process.poll() is not None:
                    alert("service died", service=service.name)
                    say(f"{service.name} stopped by itself:\n{_tail(home.root / 'logs' / service.log)}")
                    return 1
            time.sleep(0.3)
    say("已停止 · stopped")
    return 0


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
