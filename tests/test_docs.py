"""The documents say what is so: their links resolve, their commands and paths exist, and their examples run.

What a reader can copy is fenced as ``sh``, ``python``, ``yaml`` or ``sql`` and is tried here; ``console`` and ``text``
show what was seen once, with numbers and ids that differ from run to run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair
import duckdb
import polars as pl
import pytest
import typer.main

from assets.theme.themes import read_themes
from catalog.elements import identifiers
from catalog.elements.base import Element
from catalog.load import default_root, load
from lake.home import Home
from lake.tables import LAYERS
from masking import methods
from pipelines.checks import faults_of
from pipelines.cli import app
from pipelines.query import load_spatial
from pipelines.services import free_port, gateway_service, running, wait_until_up

ROOT = Path(__file__).parent.parent
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
ANALYST, NOTEBOOK = ROOT / "docs" / "analyst.md", ROOT / "docs" / "starter.ipynb"
IDENTITY = ROOT / "docs" / "identity.md"
CONTRIBUTING, ARCHITECTURE = ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"
DOCUMENTS = (README, CHINESE, CONTRIBUTING, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
PEOPLE = 1_000
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A fenced block after a paragraph that ends with the path of the file it belongs into.
FILE = re.compile(r"`([\w./-]+)`[^`\n]*[:：]\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?<![\w./-])citylake((?: [a-z]+(?:-[a-z]+)*)+)([^`|\n]*)")
#: A row of the table of layers: the only one with six cells.
LAYER_ROW = re.compile(r"^\| `(\w+)` \|(?:[^|\n]+\|){5}$", re.MULTILINE)
GATEWAY = "http://127.0.0.1:8640"


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, *languages: str) -> list[str]:
    return [code for language, code in FENCE.findall(text_of(document)) if language in languages]


def files_in(document: Path) -> dict[str, str]:
    return dict(FILE.findall(text_of(document)))


def command_tree() -> dict[str, Any]:
    """Every command by its words: ``token create``."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: str) -> None:
        for name, child in getattr(command, "commands", {}).items():
            found[f"{words} {name}".strip()] = child
            walk(child, f"{words} {name}".strip())

    walk(typer.main.get_command(app), "")
    return found


COMMANDS = command_tree()


def commands_in(document: Path) -> list[tuple[str, str]]:
    """(command, what follows it on the line) for each mention in code, fenced or inline."""
    text = text_of(document)
    code = [*(body for _, body in FENCE.findall(text)), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]
    mentions = [match for body in code for match in COMMAND.findall(body)]
    found = []
    for words, rest in mentions:
        first, *second = words.split()[:2]
        group = bool(getattr(COMMANDS.get(first), "commands", None))
        name = f"{first} {second[0]}" if second and group else first
        found.append((name, words.removeprefix(f" {name}") + rest))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = FENCE.sub("", text_of(document))
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", text)
    local = [a or b for a, b in targets if not (a or b).startswith(("http:", "https:"))]
    missing = [target for target in local if not (document.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_of_the_project_exist(document: Path) -> None:
    """Whatever stands in code and begins like a folder or file of the project is one; ``<…>`` stands for any name."""
    tops = "|".join(
        (
            "catalog",
            "quality",
            "masking",
            "lake",
            "assets",
            "pipelines",
            "demo",
            "benchmarks",
            "tests",
            "docs",
        )
    )
    named = re.findall(rf"`((?:{tops})/[\w./<>*-]*)`", FENCE.sub("", text_of(document)))
    examples = set(files_in(document))
    patterns = {name: re.sub(r"<[^>]+>", "*", name) for name in named if name not in examples}
    missing = [name for name, pattern in patterns.items() if not list(ROOT.glob(pattern.rstrip("/")))]
    # the lake's own folders are named like packages: lake/<layer> is in the home
    assert [name for name in missing if not name.startswith("lake/")] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_mentioned_exists_with_its_options(document: Path) -> None:
    for name, rest in commands_in(document):
        assert name in COMMANDS, f"citylake {name}"
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        asked = re.findall(r"(?<![\w-])(--[a-z-]+)", rest.split("|")[0].split('"')[-1])
        assert set(asked) <= known | {"--help"}, f"citylake {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_mentioned_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    code = "\n".join(a or b for a, b in re.findall(r"`([^`\n]+)`|^\$ (.*)$", text_of(document), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= targets


def test_every_command_shows_an_example() -> None:
    leaves = {name: command for name, command in COMMANDS.items() if not getattr(command, "commands", None)}
    without = [
        name for name, command in leaves.items() if f"Example: citylake {name}" not in (command.help or "")
    ]
    assert not without


def test_the_readme_names_every_command_a_user_has() -> None:
    visible = {
        name
        for name, command in COMMANDS.items()
        if not command.hidden and not getattr(command, "commands", None)
    }
    assert visible <= {name for name, _ in commands_in(README)}


def test_both_readmes_name_the_same_commands_and_examples() -> None:
    assert sorted({name for name, _ in commands_in(README)}) == sorted(
        {name for name, _ in commands_in(CHINESE)}
    )
    assert blocks(README, "sh", "python") == blocks(CHINESE, "sh", "python")


@pytest.mark.parametrize("document", [README, CHINESE], ids=lambda path: path.name)
def test_the_table_of_layers_is_complete(document: Path) -> None:
    assert set(LAYER_ROW.findall(text_of(document))) == {"landing", *LAYERS}


def test_the_architecture_names_every_package() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks"}
    assert packages <= set(re.findall(r"`(\w+)/?`", text_of(ARCHITECTURE)))


def test_what_is_said_to_be_added_to_the_catalogue_is_lawful(tmp_path: Path) -> None:
    """The example resource, base field and product, each in its one file, in a copy of the shipped catalogue."""
    root = tmp_path / "catalog"
    shutil.copytree(default_root(), root, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    themes = tmp_path / "assets" / "theme"
    themes.mkdir(parents=True)
    for name, example in files_in(CONTRIBUTING).items():
        path = tmp_path / name
        if path.suffix in (".yaml", ".sql"):
            shipped = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(added(shipped, example) if shipped else example, encoding="utf-8")
    catalogue = load(root)
    assert list(map(str, faults_of(catalogue))) == []
    read, faults = read_themes(catalogue, themes)
    assert (len(read), faults) == (1, [])


def added(document: str, example: str) -> str:
    """A declaration with the example's lines put under the keys they stand under in the example."""
    key = ""
    for line in example.splitlines():
        if not line.startswith(" "):
            key = line
        else:
            assert f"\n{key}\n" in document
            document = document.replace(f"\n{key}\n", f"\n{key}\n{line}\n", 1)
    return document


def test_the_example_element_reads_and_judges_a_number() -> None:
    namespace = dict(vars(identifiers))
    exec(files_in(CONTRIBUTING)["catalog/elements/identifiers.py"], namespace)  # noqa: S102 - our own document
    (element,) = (
        value
        for value in namespace.values()
        if isinstance(value, Element) and value not in identifiers.IDENTIFIERS
    )
    cells = pl.DataFrame({"cell": ["4418-0012 3456", "441800123456", "4418", None]})
    values = cells.select(element.standardise(pl.col("cell")).alias("value"))
    assert values["value"].to_list() == ["441800123456", "441800123456", "4418", None]
    (check,) = element.checks
    assert values.select(check.passes(pl.col("value"))).to_series().to_list() == [True, True, False, None]


def test_the_example_mask_cuts_a_number() -> None:
    namespace = dict(vars(methods))
    exec(files_in(CONTRIBUTING)["masking/methods.py"], namespace)  # noqa: S102 - our own document
    masked = pl.DataFrame({"value": ["441800123456", None]}).select(
        namespace["head"](pl.col("value"), length=4)
    )
    assert masked["value"].to_list() == ["4418", None]


@pytest.fixture(scope="session")
def desk() -> Iterator[Path]:
    """A folder as a reader has it after ``make demo``: a small city in ``.citylake``."""
    # not among pytest's own folders, which it closes: the exchange database may run as another user
    with tempfile.TemporaryDirectory(prefix="citylake-docs-") as folder:
        run("citylake demo --people " + str(PEOPLE), Path(folder))
        yield Path(folder)


def run(script: str, folder: Path) -> str:
    """What a shell prints for a script, with the environment's programs first in its path."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CITYLAKE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment, "PATH": path, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, f"{script}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_python_examples_run(desk: Path) -> None:
    for code in blocks(README, "python"):
        script = desk / "example.py"
        script.write_text(code, encoding="utf-8")
        assert run("python -W error example.py", desk).strip()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples push with curl")
def test_shell_examples_run(desk: Path) -> None:
    """In one shell, in order, as a reader goes through them, with the gateway on a port of its own."""
    service = gateway_service(free_port())
    home = Home.open(desk / ".citylake")
    script = "\n".join(blocks(README, "sh")).replace(GATEWAY, (service.url or "").removesuffix("/healthz"))
    with running(home, [service]) as (process,):
        wait_until_up(home, service, process)
        printed = run(script, desk)
    assert "死亡后仍发放" in printed
    assert "采用 kept" in printed
    assert '"state":"received"' in printed
    assert "不是有效的公民身份号码" in printed


@pytest.mark.slow
def test_the_analysts_ten_questions_are_answered(desk: Path) -> None:
    questions = blocks(ANALYST, "sql")
    past = ("_as_of(", "_on(")
    files = ["bureau" if any(way in question for way in past) else "analyst" for question in questions]
    assert files == ["analyst"] * 10 + ["bureau"] * 2
    for question, file in zip(questions, files, strict=True):
        with duckdb.connect(str(desk / ".citylake" / f"{file}.duckdb"), read_only=True) as connection:
            load_spatial(connection)
            assert connection.execute(question).fetchall(), question
    assert "spatial.duckdb_extension" in run("\n".join(blocks(ANALYST, "sh")), desk)


@pytest.mark.slow
def test_the_last_successors_of_organisations_are_found(desk: Path) -> None:
    (heirs,) = blocks(IDENTITY, "sql")
    with duckdb.connect(str(desk / ".citylake" / "bureau.duckdb"), read_only=True) as connection:
        assert connection.execute(heirs).fetchall()


@pytest.mark.slow
def test_the_notebook_draws_three_charts(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code cells, in order, as a notebook program runs them."""
    monkeypatch.setenv("CITYLAKE_HOME", str(desk / ".citylake"))
    cells = json.loads(text_of(NOTEBOOK))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec("".join(cell["source"]), names)  # noqa: S102 # our own notebook
    charts = [chart for chart in names.values() if isinstance(chart, altair.Chart)]
    names["city"].close()
    assert len(charts) == 3
    for chart in charts:
        (rows,) = chart.to_dict()["datasets"].values()
        assert len(rows) > 1
