"""What all tests share: the shipped catalogue, read once; a small disk; and the count of cases that the tests made up
themselves, told at the end of a run."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from catalog.load import Catalogue, load

# The same examples on every machine, and no clock: a change passes or fails by itself, not by the day's luck or load.
# HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

_TRIED = "cases tried"
_totals: Counter[str] = Counter()

Tried = Callable[..., None]


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Tried:
    """Count one case (or ``number`` of them) of a kind; the run's summary tells how many there were of each."""
    mine: dict[str, int] = {}
    # the properties of a test travel with its report, also from another process
    request.node.user_properties.append((_TRIED, mine))

    def count(kind: str, number: int = 1) -> None:
        mine[kind] = mine.get(kind, 0) + number

    return count


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The shipped catalogue. A test that needs another one makes its own of it."""
    return load()


SMALL_DISK = 4 * 1024**2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, of :data:`SMALL_DISK` bytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount a file system can fill a small one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes in one file comes first: each file is one process's, and none should wait for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        for name, counts in report.user_properties:
            if name == _TRIED and isinstance(counts, dict):
                _totals.update(counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _totals:
        told = ", ".join(f"{number:,} {kind}" for kind, number in sorted(_totals.items()))
        terminalreporter.write_sep("-", f"cases tried: {told}")
