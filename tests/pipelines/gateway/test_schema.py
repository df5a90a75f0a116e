"""The gateway against its own OpenAPI document: whatever that allows, and much that it does not, is answered and never a 500.

Schemathesis makes the requests. It runs as a program of its own, since what it needs is nothing that citylake needs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.load import load
from catalog.model import Limits, Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import Ledger
from pipelines.gateway import app
from quality.clock import today
from tests.conftest import Tried
from tests.pipelines.gateway.test_kills import serving

SCHEMATHESIS = shutil.which("schemathesis", path=Path(sys.executable).parent) or shutil.which("schemathesis")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCHEMATHESIS, reason="schemathesis is not installed: pipx install schemathesis"),
]


def run_without_rates(home: Home, port: int) -> None:
    """A gateway that takes as many pushes a minute as come: a 429 tries nothing."""
    shipped = app.load()
    endless = {
        code: each.model_copy(update={"limits": Limits(a_minute=10**9)})
        for code, each in shipped.departments.items()
    }
    app.load = lambda: replace(shipped, departments=endless)
    app.run(home, port=port)


@pytest.mark.parametrize("known", [False, True], ids=["made-up ids", "ids that exist"])
def test_no_request_that_schemathesis_makes_up_ends_in_a_500(
    home: Home,
    ledger: Ledger,
    header: Callable[..., dict[str, str]],
    tmp_path: Path,
    tried: Tried,
    known: bool,
) -> None:
    pushed = receive(
        home,
        ledger,
        load().entry("cremation"),
        [b"a\n"],
        way=Way.API,
        filename="a.csv",
        data_format="csv",
        data_date=today(),
    )
    config = tmp_path / "schemathesis.toml"
    config.write_text(f'[parameters]\ncode = "cremation"\npush_id = "{pushed.id}"\n' if known else "")
    with serving(home, run_without_rates) as (process, base):
        done = subprocess.run(
            [
                str(SCHEMATHESIS),
                f"--config-file={config}",
                "run",
                f"{base}/openapi.json",
                f"--header=Authorization: {header()['Authorization']}",
                "--checks=not_a_server_error",
                "--phases=coverage,fuzzing",
                "--max-examples=40",
                # a dry run starts a process: on a machine that does other work it may take longer than the default of 10 s
                "--request-timeout=300",
                "--seed=44",
                "--no-color",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=900,
        )
        assert process.is_alive()
    made = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout
    assert made
    tried("requests made by schemathesis", int(made[1]))
