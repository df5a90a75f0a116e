"""One writer per table: who waits is told for whom, and a killed one is waited for by nobody."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from lake.home import Home
from lake.locks import TableBusyError, writing

NAME = "standard.sample"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path)


def test_who_waits_too_long_is_told_for_whom(home: Home) -> None:
    with writing(home, NAME):
        said = f"{NAME} is being written by process {os.getpid()}: wait"
        with pytest.raises(TableBusyError, match=said), writing(home, NAME, patience=0):
            pytest.fail("two writers at once")
        with writing(home, "standard.other", patience=0):
            pass
    with writing(home, NAME, patience=0):
        pass


def test_a_writer_that_fails_lets_go(home: Home) -> None:
    with pytest.raises(ZeroDivisionError), writing(home, NAME):
        raise ZeroDivisionError
    with writing(home, NAME, patience=0):
        pass


def test_writers_take_turns(home: Home) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            with writing(home, NAME):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def _hold(root: Path, held: Event) -> None:
    with writing(Home(root), NAME):
        held.set()
        threading.Event().wait()


@pytest.mark.kills
def test_a_killed_writer_leaves_no_lock_behind(home: Home) -> None:
    processes = multiprocessing.get_context("forkserver")
    held = processes.Event()
    process = processes.Process(target=_hold, args=(home.root, held))
    process.start()
    assert held.wait(60)
    with pytest.raises(TableBusyError, match=f"process {process.pid}"), writing(home, NAME, patience=0):
        pytest.fail("the other process still holds it")
    process.kill()
    process.join()
    with writing(home, NAME, patience=5):
        pass
