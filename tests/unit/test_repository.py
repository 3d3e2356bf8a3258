"""What the repository promises of itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from include.core import settings

if TYPE_CHECKING:
    from pathlib import Path

ROOT = settings.root()
OWN_PLACES = ("include/pipelines/flight_delays/", "include/ops/demo/")


def tracked(*patterns: str) -> list[str]:
    """Return the files that git knows, or would with `git add`, by their paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def test_only_its_folder_and_the_demo_know_of_flights() -> None:
    """All that is particular to a model is in its folder: the code that runs it names none."""
    code = [path for path in tracked("dags", "plugins", "include", "config") if not path.startswith(OWN_PLACES)]
    naming = [path for path in code if re.search(r"flight|airline|airport", (ROOT / path).read_text(), re.IGNORECASE)]

    assert len(code) > 50
    assert naming == []


def test_the_lock_names_no_package_index() -> None:
    """A lock that names an address would install from there and nowhere else."""
    for lock in ("requirements.txt", "requirements-extras.txt", "requirements-dev.txt", "requirements-bench.txt"):
        text = (ROOT / lock).read_text()
        assert "==" in text
        assert not re.search(r"https?://|--index|--extra-index|--find-links", text)


def test_every_direct_requirement_is_locked() -> None:
    """What requirements.in asks for is in the lock at one version."""
    names = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    locked = (ROOT / "requirements.txt").read_text()

    assert names
    assert [name for name in names if not re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE)] == []


def test_every_link_between_the_documents_leads_somewhere() -> None:
    """A relative link names a file that exists; `make docs` checks the links to generated pages."""
    broken, documents = [], tracked("*.md")
    assert len(documents) > 30
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)", (ROOT / document).read_text()):
            generated = "reference/generated/" in f"{document}/{target}" or target.startswith("generated/")
            if "://" not in target and not generated and not ((ROOT / document).parent / target).exists():
                broken.append(f"{document}: {target}")

    assert broken == []


#: A path from the root, or the dotted name of a module, as a sentence, a setting or a command writes it.
NAMED_PATH = re.compile(r"(?<![\w./:{}-])(?:include|plugins|dags|tests|benchmarks|config|docs)/[\w./-]*\w")
NAMED_MODULE = re.compile(r"(?<![\w./-])(?:include|plugins|tests|benchmarks)(?!\.md)(?:\.\w+)+")
#: Files and classes that a page asks its reader to write, besides the files whose content it shows.
WRITTEN_BY_READERS = {
    "docs/checks/SHOP001.md",
    "tests/unit/ingestion/test_sheet.py",
    "include.ingestion.sheet.SheetReader",
}
#: The changelog says what a module was called in the release before.
FORMER_NAMES = {"include.production"}


def is_defined(name: str) -> bool:
    """Return whether a dotted name is a module, or is written in the module that its first parts name."""
    first, *rest = name.split(".")
    place = ROOT / first
    while rest and ((place / rest[0]).is_dir() or (place / f"{rest[0]}.py").is_file()):
        place /= rest.pop(0)
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return not rest or (source.is_file() and set(rest) <= set(re.findall(r"\w+", source.read_text())))


def names_of_nothing(text: str) -> list[str]:
    """Return the paths and modules that a text names and the repository lacks, but for files that a reader writes."""
    shown = set(re.findall(r"^```\w+\n(?:#|--) (\S+)$", text, re.MULTILINE)) | WRITTEN_BY_READERS
    paths = [path for path in NAMED_PATH.findall(text) if path not in shown and not (ROOT / path).exists()]
    known = FORMER_NAMES | WRITTEN_BY_READERS
    return paths + [name for name in NAMED_MODULE.findall(text) if name not in known and not is_defined(name)]


def test_every_path_and_module_that_is_named_exists() -> None:
    """When modules move, the pages, settings and shell files that name them have to follow."""
    naming = [path for path in tracked() if not path.startswith("tests/") and not path.endswith((".py", ".txt"))]
    lost = {path: names_of_nothing((ROOT / path).read_text(errors="ignore")) for path in naming}

    assert {"Dockerfile", "Makefile", "docs/how-to/run-the-stack.md", "config/kubernetes/values.yaml"} <= lost.keys()
    assert {path: names for path, names in lost.items() if names} == {}


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("python -m include.production.start", ["include.production.start"]),
        ("`include.core.errors.NoSuchError`", ["include.core.errors.NoSuchError"]),
        ("see include/production/wait.py.", ["include/production/wait.py"]),
        ("[page](docs/how-to/nothing.md)", ["docs/how-to/nothing.md"]),
        ("`python -m include.ops.production.start`, `include.core.errors.ConfigError`, `include/lake/days.py`", []),
        ("```yaml\n# include/pipelines/shop/pipeline.yaml\n```\nin include/pipelines/shop/pipeline.yaml", []),
    ],
)
def test_a_name_of_nothing_is_found(line: str, lost: list[str]) -> None:
    """The rule must be able to fail."""
    assert names_of_nothing(line) == lost


def test_make_lists_its_commands() -> None:
    """A bare `make` names every command that the README speaks of."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    spoken_of = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text()))

    assert {"demo", "test", "up", "lock", "clean"} <= spoken_of
    assert [command for command in sorted(spoken_of) if f"make {command}" not in listed] == []


def test_every_action_is_pinned_by_its_commit() -> None:
    """A tag can be moved to other code; the version that a commit is stands beside it."""
    used = re.findall(r"uses: *(.+)", "".join((ROOT / path).read_text() for path in tracked(".github/workflows")))

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


def test_the_workflow_calls_commands_that_there_are() -> None:
    """What continuous integration runs is what anybody can run: a target of the Makefile, or docker."""
    runs = re.findall(r"run: (.+)", (ROOT / ".github" / "workflows" / "ci.yaml").read_text())
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    called = [run.split()[1] for run in runs if run.startswith("make ")]
    assert set(called) == {"lint", "secrets", "test", "test-all", "audit"}
    assert set(called) <= set(targets)
    assert [run for run in runs if not run.startswith(("make ", "docker "))] == []


@pytest.mark.parametrize(
    ("path", "planted", "found"),
    [
        ("include/core/settings.py", 'password = "' + "hunter2-of-" + 'the-team"', True),
        ("config/stack.env", "STORE=postgresql://mlflow:" + "s3same" + "@db/mlflow", True),
        ("docs/how-to/read.md", "AKIA" + "QYLPMN5HFIQR7XYA", True),
        ("docs/how-to/read.md", 'password: "any"', False),
        ("include/core/settings.py", "password = read_password()", False),
    ],
)
def test_a_secret_that_is_committed_is_found(tmp_path: Path, path: str, planted: str, found: bool) -> None:
    """A password in the code, one in an address, and a token anywhere fail the scan, which names the file."""
    pytest.importorskip("detect_secrets")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(f"{planted}\n")
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "README.md").write_text("nothing\n")
    (tmp_path / "README.md").write_text("nothing\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)

    scanned = subprocess.run(
        [ROOT / "config" / "scan-secrets.sh", sys.executable], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (scanned.returncode, path in scanned.stdout) == ((1, True) if found else (0, False)), scanned.stderr


def test_the_audit_fails_where_it_could_not_look() -> None:
    """A package that the database does not know is no sign of safety."""
    made = subprocess.run(["make", "--dry-run", "audit"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.search(r"pip-audit --requirement requirements\.txt .*--strict", made)


#: A word that only SQL has in capitals, or a function of DuckDB that reads a file.
SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|CREATE|INSERT|COPY|AND|NULL|AS|ORDER BY|TIMESTAMP|TIMESTAMPTZ|DATE)\b|read_parquet|[<>]= ?'"
)


def quoted_by_hand(source: str) -> list[int]:
    """Return the lines of a module that put a value between quotes within SQL, or double the quotes of a text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.Constant) else None for each in node.values]
            text = "".join(part or "{}" for part in parts)
            sql = (SQL.search(text) and "; " not in text) or text == '"{}"'  # a sentence for people has a semicolon
            if sql and re.search(r"""(["'])\{\}\1""", text):
                found.append(node.lineno)
        doubles = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace"
        if doubles and [each.value for each in node.args if isinstance(each, ast.Constant)] in (
            ["'", "''"],
            ['"', '""'],
        ):
            found.append(node.lineno)
    return found


def test_names_and_values_are_quoted_for_sql_in_one_place() -> None:
    """Each module had its own quotes, some of which a name or a folder with a quote in it ended."""
    by_hand = {path: quoted_by_hand((ROOT / path).read_text()) for path in tracked("include/**/*.py", "include/*.py")}

    assert by_hand.pop("include/core/sql_text.py")
    assert {path: lines for path, lines in by_hand.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "f\"SELECT x FROM read_parquet('{path}')\"",
        "f'SELECT \"{name}\" FROM rows'",
        "', '.join(f'\"{name}\"' for name in names)",
        "f\"ds >= '{first}'\"",
        "name.replace('\"', '\"\"')",
        'text.replace("\'", "\'\'")',
    ],
)
def test_quotes_by_hand_are_found(line: str) -> None:
    """The rule must be able to fail."""
    assert quoted_by_hand(line) == [1]
    assert not quoted_by_hand("f\"{where}: column '{name}' has no value, and the rule is '{rule}'\"")
