"""A backup of the embedded stack, taken while it is in use, and its restore into an empty home."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from include import lake
from include.cli import main
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import BackupFailed, RestoreRefused
from include.ops.production.backup import back_up
from include.ops.production.backup_manifest import read_manifest
from include.ops.production.restore import restore
from include.registry.champion import find_champion
from include.registry.load_model import load_champion
from include.registry.records.chain import read_all
from include.workflows.retrain import decisions, files
from include.workflows.retrain.plan import RunPlan
from include.workflows.retrain.run import retrain, run
from tests import factories
from tests.forked import Forked
from tests.integration.killed_run import AS_OF, RUN_KEY, TUNING_SECONDS, call_and_die, run_and_die

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def night(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let the shop have a night, a decision of a person and Airflow's database; return the folder of its home."""
    folder = tmp_path_factory.mktemp("night")
    with factories.shop_in(folder):
        assert run(load_pipeline("shop"), RUN_KEY, AS_OF, EnvironmentConnections(), TUNING_SECONDS).verdict == "promote"
        decisions.hold(load_pipeline("shop"), reason="the stores are being counted", by="ada")
        decisions.release(load_pipeline("shop"), by="ada")
    airflow = folder / "var" / "airflow"
    shutil.copytree(migrated, airflow)
    with closing(sqlite3.connect(airflow / "airflow.db")) as database:
        database.execute("INSERT INTO variable (key, val, is_encrypted) VALUES ('kept', 'by Airflow', 0)")
        database.commit()
    return folder


@pytest.fixture
def live(night: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test the home with the night, which it leaves as it was."""
    return use(night / "var", monkeypatch)


@pytest.fixture(scope="module")
def backup(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup of the home with the night."""
    with pytest.MonkeyPatch.context() as patch:
        use(night / "var", patch)
        return back_up(tmp_path_factory.mktemp("backups"))


@pytest.fixture
def copied(backup: Path, tmp_path: Path) -> Path:
    """Return a copy of the backup that a test may change."""
    return shutil.copytree(backup, tmp_path / "copied")


@pytest.fixture
def gone(night: Path) -> Iterator[None]:
    """Take the first home away for as long as the test lasts."""
    (night / "var").rename(night / "away")
    yield
    (night / "away").rename(night / "var")


def use(home: Path, patch: pytest.MonkeyPatch) -> Path:
    """Let everything from here on be of another home."""
    patch.setenv("NIGHTSHIFT_HOME", str(home))
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home


def history() -> list[dict[str, Any]]:
    """Return the shop's records as `./nightshift history --json` prints them."""
    return json.loads(CliRunner().invoke(main, ["history", "shop", "--json"]).stdout)


def features() -> Any:
    """Return the rows of the shop's newest feature table."""
    uri = lake.features_uri("shop")
    version = lake.latest_version(uri)
    assert version is not None
    return lake.read_table(uri, version).sort_by("store_day")


def left_in(folder: Path) -> list[str]:
    """Return what a folder of backups has, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_an_empty_home_gets_the_same_champion_and_history_and_goes_on(
    night: Path, backup: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    """With the first home gone: the champion, its model, every record and table, and the next run ties with it."""
    use(night / "var", monkeypatch)
    before = (find_champion("shop"), history(), features(), read_all("shop"))
    request.getfixturevalue("gone")
    home = use(tmp_path / "restored", monkeypatch)

    result = CliRunner().invoke(main, ["restore", str(backup)])

    assert result.exit_code == 0, result.output
    assert "shop: 3 records, the last with the digest " in result.output
    assert "the champion is version 1; all are unchanged" in result.output
    assert (find_champion("shop"), history(), features(), read_all("shop")) == before
    champion = find_champion("shop")
    assert champion is not None
    load_champion(champion)
    assert CliRunner().invoke(main, ["verify", "shop"]).exit_code == 0
    assert files.features(RunPlan.load("shop", RUN_KEY)).uri == lake.features_uri("shop")
    with closing(sqlite3.connect(home / "airflow" / "airflow.db")) as database:
        assert database.execute("SELECT val FROM variable WHERE key = 'kept'").fetchall() == [("by Airflow",)]
    again = retrain(load_pipeline("shop"), "again", AS_OF, TUNING_SECONDS)
    assert again.verdict == "keep", again.reason
    assert "GATE005 exactly as good as the champion (version 1)" in again.reason
    assert len(history()) == 4


def test_backups_taken_while_a_night_runs_are_whole(
    shop: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever moment a backup is of, no champion, record or table in it lacks what it names."""
    running = Forked(run_and_die, "include.lake.vacuum", "before", 1)  # which it never calls
    backups = []
    try:
        while running.returncode is None:
            backups.append(back_up(tmp_path / "backups"))
    finally:
        running.kill()
        printed = running.wait()
    assert running.returncode == 0, printed
    backups.append(back_up(tmp_path / "backups"))

    # every one would do; the first, the last and two between them are restored
    chosen = {backups[round(part * (len(backups) - 1) / 3)] for part in range(4)}
    for number, each in enumerate(sorted(chosen)):
        use(tmp_path / f"restored-{number}", monkeypatch)
        assert restore(each) == [], each.name
        for table in settings.home().glob("lake/shop/raw/*"):
            assert lake.read_table(str(table), lake.latest_version(str(table)) or 0).num_rows > 0
    champion = find_champion("shop")
    assert champion is not None
    assert len(read_all("shop")) == 1


@pytest.mark.parametrize(
    ("function", "when", "number"),
    [
        ("include.ops.production.backup.dump", "after", 1),
        ("include.ops.production.backup.digest_of", "before", 3),
        ("include.ops.production.backup_manifest.BackupManifest.write", "after", 1),
    ],
)
def test_a_killed_backup_is_none_and_the_next_one_clears_it_away(
    live: Path, tmp_path: Path, function: str, when: str, number: int
) -> None:
    """Nothing that was left can be taken for a backup, even where only its last renaming is missing."""
    backups = tmp_path / "backups"
    killed = Forked(call_and_die, [function, when, number], ["backup", str(backups)])
    printed = killed.wait()
    assert killed.returncode == 137, printed
    [left] = left_in(backups)
    assert left.endswith(".partial")
    with pytest.raises(RestoreRefused, match="is not a backup"):
        restore(backups)

    whole = back_up(backups)
    assert left_in(backups) == [whole.name]


@pytest.mark.parametrize(
    "part", ["airflow.sqlite", "mlflow.sqlite", "artifacts.tar", "lake-decisions.tar", "lake-tables.tar"]
)
def test_a_flipped_bit_is_refused_and_nothing_is_restored(
    copied: Path, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is named, and the empty home stays empty."""
    content = bytearray((copied / part).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / part).write_bytes(content)
    home = use(tmp_path / "restored", monkeypatch)

    with pytest.raises(RestoreRefused, match=rf"{part} was changed after the backup.*nothing was restored"):
        restore(copied)

    assert not home.exists()


def test_a_backup_without_a_part_or_with_changed_contents_is_refused(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that is gone, and a backup.json that somebody has edited."""
    use(tmp_path / "restored", monkeypatch)
    (copied / "artifacts.tar").rename(copied / "elsewhere")
    with pytest.raises(RestoreRefused, match=r"artifacts\.tar is missing"):
        restore(copied)

    text = (copied / "backup.json").read_text()
    (copied / "backup.json").write_text(text.replace("/mlflow/artifacts", "/mlflow/others"))
    with pytest.raises(RestoreRefused, match=r"backup\.json was changed after the backup"):
        restore(copied)


def test_a_home_that_is_not_empty_is_refused_whatever_of_it_is_there(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake, files of models, or a database with a table; each is as it was afterwards."""
    for number, path in enumerate(["lake/shop/raw/file", "mlflow/artifacts/file"]):
        home = use(tmp_path / str(number), monkeypatch)
        (home / path).parent.mkdir(parents=True)
        (home / path).write_text("somebody's")
        with pytest.raises(RestoreRefused, match="is not empty"):
            restore(backup)
        assert [each for each in home.rglob("*") if each.is_file()] == [home / path]
    for number, path in enumerate(["mlflow/mlflow.db", "airflow/airflow.db"], 2):
        home = use(tmp_path / str(number), monkeypatch)
        (home / path).parent.mkdir(parents=True)
        with closing(sqlite3.connect(home / path)) as database:
            database.execute("CREATE TABLE somebodys (row INTEGER)")
        with pytest.raises(RestoreRefused, match="has 1 tables"):
            restore(backup)
        assert [each for each in home.rglob("*") if each.is_file()] == [home / path]


def test_a_restore_that_was_broken_off_in_unpacking_is_begun_again(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first try had unpacked and not put in place does not count as something that is there."""
    home = use(tmp_path / "restored", monkeypatch)
    killed = Forked(call_and_die, ["include.ops.production.restore.unpack", "after", 1], ["restore", str(backup)])
    printed = killed.wait()
    assert killed.returncode == 137, printed
    assert left_in(home / "lake")

    assert restore(backup) == []
    assert left_in(home / "lake") == ["shop"]


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("mlflow/artifacts/*/models/*/artifacts/model.skops", r"version 1 of shop is the champion, and .*model\.skops"),
        ("lake/shop/manifests/*.json", "the champion of shop is incomplete: the manifest"),
        ("lake/shop/raw/sales/ds=2024-03-20/*.parquet", r"version \d+ needs ds=2024-03-20/.* and the file is missing"),
    ],
)
def test_a_backup_in_which_something_would_be_missing_is_refused(
    backup: Path, lost: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the champion, its manifest, a file of a table: nothing that looks like a backup is left."""
    home = use(tmp_path / "restored", monkeypatch)
    restore(backup)
    for path in home.glob(lost):
        path.unlink()

    with pytest.raises(BackupFailed, match=told):
        back_up(tmp_path / "backups")

    assert left_in(tmp_path / "backups") == []


def test_a_changed_model_is_told_after_the_restore(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup of a model file that somebody had changed is one, and its restore says so with status 1."""
    use(tmp_path / "restored", monkeypatch)
    restore(backup)
    [model] = settings.home().glob("mlflow/artifacts/*/models/*/artifacts/model.skops")
    content = bytearray(model.read_bytes())
    content[100] ^= 1
    model.write_bytes(content)
    second = back_up(tmp_path / "backups")
    use(tmp_path / "again", monkeypatch)

    result = CliRunner().invoke(main, ["restore", str(second)])

    assert result.exit_code == 1
    assert "record 1: model.skops has the SHA-256" in result.output
    assert "1 problem found" in result.output


def test_the_key_of_airflow_is_not_in_the_backup_and_is_asked_for(
    night: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key that was there the restore is silent about it; with another it says what cannot be read."""
    use(night / "var", monkeypatch)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "the-key-of-the-first-stack")
    made = back_up(tmp_path / "backups")
    assert not [path for path in made.iterdir() if b"the-key-of-the-first-stack" in path.read_bytes()]
    use(tmp_path / "same", monkeypatch)
    told: list[str] = []
    restore(made, told.append)
    assert not [line for line in told if "another key" in line]

    monkeypatch.delenv("AIRFLOW__CORE__FERNET_KEY")
    use(tmp_path / "other", monkeypatch)
    restore(made, told.append)
    assert [line for line in told if "were encrypted with another key" in line]


def test_a_backup_says_of_itself_what_it_holds_and_is_its_owners_alone(backup: Path) -> None:
    """Sizes, digests, versions and the heads of the chains; no file can be read by others."""
    manifest = read_manifest(backup)

    assert set(manifest.parts) == {"airflow", "lake-decisions", "mlflow", "artifacts", "lake-tables"}
    assert {path.name: path.stat().st_size for path in backup.iterdir() if path.name != "backup.json"} == {
        part.file: part.bytes for part in manifest.parts.values()
    }
    assert set(manifest.versions) == {"nightshift", "airflow", "mlflow"}
    assert list(manifest.heads) == ["shop"]
    assert {path.stat().st_mode & 0o077 for path in [backup, *backup.iterdir()]} == {0}


def test_leases_and_scratch_files_are_left_behind(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who held the champion's lease is not there any more."""
    home = use(tmp_path / "restored", monkeypatch)
    restore(backup)

    assert not (home / "lake" / "shop" / "locks").exists()
    assert [path for path in (home / "lake").rglob(".*") if path.is_file()] == []
