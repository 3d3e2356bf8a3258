"""Alembic reads which revisions of its tables a program knows."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from include.core.alembic_revisions import Revisions, read_revisions, read_revisions_apart

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """Return the scripts of a program: b and c both follow a, and d merges them."""
    versions = tmp_path / "versions"
    versions.mkdir()
    for revision, down in {"a": None, "b": "a", "c": "a", "d": ("b", "c")}.items():
        (versions / f"{revision}.py").write_text(f"revision = {revision!r}\ndown_revision = {down!r}\n")
    return tmp_path


def test_the_heads_are_the_revisions_that_none_follows(migrations: Path) -> None:
    """A merge follows two revisions; both ways of reading agree."""
    expected = Revisions(known=frozenset("abcd"), heads=frozenset("d"))

    assert read_revisions(migrations) == expected
    assert read_revisions_apart(migrations, os.environ) == expected


def test_a_script_that_cannot_run_says_why(migrations: Path) -> None:
    """The caller gets the reason to put into its own sentence."""
    (migrations / "versions" / "e.py").write_text('import not_installed\nrevision = "e"\ndown_revision = "d"\n')

    with pytest.raises(subprocess.CalledProcessError) as caught:
        read_revisions_apart(migrations, os.environ)

    assert "No module named 'not_installed'" in caught.value.stderr
