"""A dry run over HTTP: the verdict of a real push, and nothing kept of the body, whatever becomes of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lake.home import Home
from lake.ledger import Ledger
from pipelines.gateway import rehearsals

Header = Callable[..., dict[str, str]]
BODY = (
    "火化证编号,公民身份号码,姓名,火化日期,备注\n"
    "A1,4.41802E+17,张三,2024-01-01,x\nA2,11010519491231002X,李四,2024-01-01,y\n"
).encode("gb18030")
Try = Callable[..., httpx.Response]


@pytest.fixture
def attempt(client: httpx.Client, header: Header) -> Try:
    mine = header()

    def send(body: bytes = BODY, media: str = "text/csv", **headers: str) -> httpx.Response:
        return client.post(
            "/v1/resources/cremation/pushes",
            params={"dry_run": "1", "data_date": "2024-06-30"},
            content=body,
            headers=mine | {"Content-Type": media} | headers,
        )

    return send


def kept(home: Home) -> list[Path]:
    """Files of the home that are none of the ledger's."""
    return [
        path for path in home.root.rglob("*") if path.is_file() and not path.name.startswith("operations.db")
    ]


@pytest.mark.parametrize(
    ("body", "headers"), [(BODY, {}), (gzip.compress(BODY), {"Content-Encoding": "gzip"})]
)
def test_a_dry_run_gives_the_verdict_and_keeps_nothing(
    attempt: Try, home: Home, ledger: Ledger, body: bytes, headers: dict[str, str]
) -> None:
    answer = attempt(body, **headers)
    verdict: dict[str, Any] = answer.json()
    assert (answer.status_code, verdict["dry_run"], verdict["state"]) == (200, True, "applied")
    assert (verdict["rows"], verdict["accepted"], verdict["quarantined"]) == (2, 1, 1)
    assert verdict["notes"] == ["未知列 unknown column: 备注"]
    (refused,) = verdict["refused"]
    assert refused["row"] == 1
    assert "resident_id.not_a_float" in [reason["rule"] for reason in refused["reasons"]]
    assert "张三" not in answer.text
    assert ledger.history("cremation") == []
    assert kept(home) == []


def test_what_would_be_refused_is_said_in_the_same_way(attempt: Try) -> None:
    verdict = attempt("姓名\n张三\n".encode()).json()
    assert (verdict["state"], verdict["rows"]) == ("refused", 0)
    assert "公民身份号码" in verdict["reason"]


def test_problems_of_the_body_are_those_of_a_push(
    attempt: Try, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempt(b"").status_code == 422
    assert attempt(media="text/html").status_code == 415
    monkeypatch.setattr(rehearsals, "MAX_BYTES", 10)
    assert attempt().status_code == 413
    assert kept(home) == []


def test_a_judge_that_crashes_or_never_ends_is_only_its_own_trouble(
    attempt: Try, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for script, patience, status in (("kill -SEGV $$", 60.0, 500), ("exec sleep 600", 0.3, 413)):
        judge = tmp_path / f"judge{status}"
        judge.write_text(f"#!/bin/sh\n{script}\n")
        judge.chmod(0o755)
        with monkeypatch.context() as patched:
            patched.setattr(rehearsals.sys, "executable", str(judge))
            patched.setattr(rehearsals, "PATIENCE_SECONDS", patience)
            assert attempt().status_code == status
        judge.unlink()
    assert kept(home) == []
    assert attempt().status_code == 200
