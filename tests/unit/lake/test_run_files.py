"""The small files between steps are complete or absent."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from upath import UPath

from include import lake
from include.core.errors import ConfigError, LakeError, OtherRelease, RunMissing
from include.lake import run_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def full_disk(_descriptor: int) -> None:
    """Fail as the operating system does when no space is left."""
    raise OSError(28, "No space left on device")


def killed(_descriptor: int) -> None:
    """Fail as when the process is stopped in the middle."""
    raise KeyboardInterrupt


def test_missing_folders_are_created(tmp_path: Path) -> None:
    """The first file of a run creates the run's folder."""
    path = UPath(tmp_path / "runs" / "first" / "plan.json")

    run_files.write_bytes(path, b"\x00plan")

    assert path.read_bytes() == b"\x00plan"


@pytest.mark.parametrize(("fault", "error"), [(full_disk, LakeError), (killed, KeyboardInterrupt)])
def test_a_failure_in_the_middle_leaves_the_old_file_and_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: object, error: type[BaseException]
) -> None:
    """A step that ends while it writes leaves the old file and no scratch file."""
    path = UPath(tmp_path / "plan.json")
    run_files.write_bytes(path, b"old")
    monkeypatch.setattr(os, "fsync", fault)

    with pytest.raises(error):
        run_files.write_bytes(path, b"new, and longer")

    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_a_failed_write_names_the_path_and_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the operating system's reason."""
    monkeypatch.setattr(os, "fsync", full_disk)

    with pytest.raises(LakeError, match=r"plan\.json could not be written \(No space left on device\)"):
        run_files.write_bytes(UPath(tmp_path / "plan.json"), b"new")


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """A lake address that names a file gives one sentence."""
    (tmp_path / "runs").touch()

    with pytest.raises(LakeError, match="could not be written"):
        run_files.write_json(UPath(tmp_path / "runs" / "plan.json"), {})


def test_an_object_stores_file_is_written_in_place() -> None:
    """An object store cannot rename, and shows only complete objects."""
    path = UPath("memory://lake/runs/plan.json")

    run_files.write_json(path, {"days": 3})

    assert run_files.read_json(path, "the plan") == {"days": 3}
    assert [each.name for each in path.parent.iterdir()] == ["plan.json"]


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Text of any language and numbers are read back unchanged."""
    content = {"zürich": [1, 2.5, None, True], "a": {"b": "日"}}
    path = UPath(tmp_path / "plan.json")

    run_files.write_json(path, content)

    assert run_files.read_json(path, "the plan") == content


@pytest.mark.parametrize("address", ["{tmp}/plan.json", "memory://nowhere/plan.json"])
def test_a_missing_file_of_an_earlier_step_is_an_error(tmp_path: Path, address: str) -> None:
    """The sentence names the file, its path and the task to run again."""
    path = UPath(address.format(tmp=tmp_path))

    with pytest.raises(RunMissing, match=r"the plan of the run is not at .*plan\.json; run the earlier task"):
        run_files.read_json(path, "the plan of the run")


@pytest.mark.parametrize("key", ["scheduled__2024-03-20T00:15:00+00:00", "manual/../../etc", "it's a run; really"])
def test_a_runs_key_is_one_folder_below_the_lake(home: Path, key: str) -> None:
    """Whatever a run is called, its files stay in the folder of runs."""
    folder = run_files.run_folder("shop", key)

    assert folder.parent.path == str(home / "lake" / "shop" / "runs")


@pytest.mark.parametrize("key", ["..", "."])
def test_a_runs_key_of_dots_is_one_folder_below_the_lake(home: Path, key: str) -> None:
    """A run id may be any text, but a run must never write elsewhere in the lake."""
    folder = run_files.run_folder("shop", key)

    assert os.path.normpath(folder.path).startswith(str(home / "lake" / "shop" / "runs") + os.sep)


def test_two_runs_with_similar_keys_have_different_folders(home: Path) -> None:
    """Two runs on one day do not share a folder."""
    keys = ["scheduled__2024-03-20T00:15:00+00:00", "scheduled__2024-03-20T00:16:00+00:00"]

    assert len({run_files.run_folder("shop", key).path for key in keys}) == 2


def test_run_files_are_in_the_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks on several machines share these files."""
    monkeypatch.setenv("LAKE_URI", "memory://bucket/lake/")

    assert str(run_files.staged_folder("shop", "sales")) == "memory://bucket/lake/shop/staged/sales"


def test_the_feature_page_is_beside_the_feature_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the table finds the page."""
    monkeypatch.setenv("LAKE_URI", "memory://bucket/lake/")

    assert str(run_files.feature_page("shop")) == f"{lake.features_uri('shop')}.html"
    assert str(run_files.feature_page_content("shop")) == f"{lake.features_uri('shop')}.page.json"


def test_a_missing_package_of_a_store_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has LAKE_URI, the package and the remedy."""
    monkeypatch.setenv("LAKE_URI", "abfs://box/lake")
    monkeypatch.setitem(sys.modules, "adlfs", None)

    with pytest.raises(LakeError, match=r"^LAKE_URI is abfs://box/lake, and .* not installed \(.*adlfs.*\); install"):
        run_files.feature_page("shop")


def test_an_unknown_kind_of_store_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt scheme is reported as a mistake in LAKE_URI, not as a failure of a library."""
    monkeypatch.setenv("LAKE_URI", "s4://bucket/lake")

    with pytest.raises(ConfigError, match=r"^LAKE_URI is 's4://bucket/lake', but .* of the kind 's4'; name a folder"):
        run_files.feature_page("shop")


@pytest.mark.parametrize(
    ("made", "mistake"),
    [
        (lambda: {}["seed"], "it lacks 'seed'"),
        (lambda: len(7), "has no len"),
        (lambda: int("seven"), "invalid literal for int"),
    ],
)
def test_a_file_of_another_release_is_refused_with_its_mistake(made: Callable[[], object], mistake: str) -> None:
    """The sentence names the file, its place, the field and the remedy; named errors pass unchanged."""
    with (
        pytest.raises(OtherRelease, match=rf"the plan at plan\.json was written by .*\(.*{mistake}.*\); start"),
        run_files.refuse_other_release("the plan", "plan.json"),
    ):
        made()
    with pytest.raises(RunMissing), run_files.refuse_other_release("the plan", "plan.json"):
        raise RunMissing("it is gone")
