"""A model is loaded only if its files are exactly those that were registered."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.core import settings
from include.core.errors import ModelRefused
from include.registry.champion import Champion, find_champion
from include.registry.load_model import load_champion
from include.registry.manifest import ModelFile, files_of, keep_manifest, read_manifest, verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow import MlflowClient

    from tests.unit.registry.conftest import Shop

WHAT = "version 1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a model with two files, one of them an archive."""
    folder = tmp_path / "model"
    (folder / "deeper").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    with zipfile.ZipFile(folder / "deeper" / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    return folder


class Payload:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, at: Path) -> None:
        self.at = at

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.at,)


def _planted(folder: Path) -> None:
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Payload(folder.parent / "it-ran")))


def _flipped(folder: Path) -> None:
    path = folder / "deeper" / "model.skops"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _swapped(folder: Path) -> None:
    (folder / "MLmodel").write_bytes((folder / "deeper" / "model.skops").read_bytes())


def _same_size(folder: Path) -> None:
    (folder / "MLmodel").write_text("flavors: []")


def _link(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes((folder / "MLmodel").read_bytes())
    (folder / "MLmodel").unlink()
    (folder / "MLmodel").symlink_to(outside)


def _linked_folder(folder: Path) -> None:
    (folder / "code").symlink_to(folder.parent)


def _lost(folder: Path) -> None:
    (folder / "MLmodel").unlink()


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "waits-for-ever")


TAMPERED = pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (_planted, "^the model of version 1 holds python_model.pkl, which was not registered with it"),
        (_flipped, r"^deeper/model\.skops has the SHA-256 .* and the registered one is .*: the file was changed"),
        (_swapped, r"^MLmodel has the SHA-256 .* and the registered one is .*: the file was changed"),
        (_same_size, r"^MLmodel has the SHA-256 .* \(11 bytes\) and the registered one is .* \(11 bytes\)"),
        (_link, "^MLmodel in the model of version 1 is a symlink, which no model has"),
        (_linked_folder, "^code in the model of version 1 is a symlink, which no model has"),
        (_lost, "^the model of version 1 lacks MLmodel, which was registered with it"),
        (_pipe, "^waits-for-ever in the model of version 1 is not an ordinary file"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)


@TAMPERED
def test_a_folder_that_was_tampered_with_is_refused(folder: Path, tamper: Callable[[Path], None], told: str) -> None:
    """Exactly the registered files, at their sizes and digests, and nothing that leads elsewhere."""
    files = files_of(folder, WHAT)
    verify_folder(folder, files, WHAT)

    tamper(folder)

    with pytest.raises(ModelRefused, match=told):
        verify_folder(folder, files, WHAT)
    assert not (folder.parent / "it-ran").exists()


@pytest.mark.parametrize("member", ["../outside", "/etc/passwd", "a/../../b", "..\\outside", "C:\\x"])
def test_an_archive_that_leads_out_of_itself_is_refused(folder: Path, member: str) -> None:
    """It is refused although it is the registered file, because somebody might unpack it."""
    with zipfile.ZipFile(folder / "deeper" / "model.skops", "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), "payload")

    with pytest.raises(ModelRefused, match=r"^model\.skops has a member '.*' that leads out of the archive"):
        verify_folder(folder, files_of(folder, WHAT), WHAT)


def test_an_archive_with_a_symlink_is_refused(folder: Path) -> None:
    """A member may not be a link either."""
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / "deeper" / "model.skops", "w") as archive:
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(ModelRefused, match="has a member 'link'"):
        verify_folder(folder, files_of(folder, WHAT), WHAT)


def test_a_manifest_is_kept_once_and_read_by_its_digest(folder: Path) -> None:
    """Writing it again changes nothing; it lies in the lake, named for the id of the logged model."""
    files = files_of(folder, WHAT)

    digest = keep_manifest("shop", "m-1", files)

    assert keep_manifest("shop", "m-1", files) == digest
    assert read_manifest("shop", "m-1", digest, WHAT) == files
    assert (Path(settings.lake_uri()) / "shop" / "manifests" / "m-1.json").is_file()


def test_another_manifest_for_the_same_model_is_refused(folder: Path) -> None:
    """A manifest is never changed."""
    keep_manifest("shop", "m-1", files_of(folder, WHAT))

    with pytest.raises(ModelRefused, match=r"^the model m-1 has another manifest at"):
        keep_manifest("shop", "m-1", {"MLmodel": ModelFile("0" * 64, 1)})


def test_a_version_without_a_manifest_is_of_an_older_release() -> None:
    """Neither MLflow nor the lake knows one."""
    assert read_manifest("shop", "m-1", None, WHAT) is None


@pytest.mark.parametrize(
    ("digest", "told"),
    [
        (None, "is not the manifest that was written with the model of version 1: MLflow has lost its tag"),
        ("0" * 64, "is not the manifest that was written with the model of version 1: MLflow names the SHA-256 0000"),
    ],
)
def test_a_manifest_that_mlflow_does_not_name_is_refused(folder: Path, digest: str | None, told: str) -> None:
    """Removing the tag from a version does not make it a version of an older release."""
    keep_manifest("shop", "m-1", files_of(folder, WHAT))

    with pytest.raises(ModelRefused, match=told):
        read_manifest("shop", "m-1", digest, WHAT)


def test_a_missing_manifest_is_refused(folder: Path) -> None:
    """A version that names a manifest is not loaded without it."""
    with pytest.raises(ModelRefused, match=r"^the manifest of the model of version 1 is not at .*m-1\.json"):
        read_manifest("shop", "m-1", "0" * 64, WHAT)


@pytest.mark.parametrize("path", ["../MLmodel", "/etc/passwd", "a/../../b", "..\\b", ""])
def test_a_manifest_with_a_path_outside_of_the_model_is_refused(path: str) -> None:
    """No path may lead out of the model's folder."""
    digest = keep_manifest("shop", "m-1", {path: ModelFile("0" * 64, 1)})

    with pytest.raises(ModelRefused, match="is outside of the model's folder; nothing was read"):
        read_manifest("shop", "m-1", digest, WHAT)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"files": {"MLmodel": {}}}'])
def test_an_invalid_manifest_is_refused(text: bytes) -> None:
    """A file that cannot be parsed as a manifest verifies nothing."""
    from hashlib import sha256

    path = Path(settings.lake_uri()) / "shop" / "manifests" / "m-1.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text)

    with pytest.raises(ModelRefused, match="is not a valid manifest"):
        read_manifest("shop", "m-1", sha256(text).hexdigest(), WHAT)


def _champion(shop_model: Shop) -> Champion:
    champion = find_champion(shop_model.name)
    assert champion is not None
    return champion


def _stored(home: Path, champion: Champion) -> Path:
    """Return the folder in which MLflow keeps the champion's model."""
    (path,) = (home / "mlflow" / "artifacts").glob(f"**/{champion.source.rpartition('/')[2]}/artifacts")
    return path


def _stored_swapped(folder: Path) -> None:
    (folder / "model.skops").write_bytes((folder / "MLmodel").read_bytes())


def _stored_flipped(folder: Path) -> None:
    content = bytearray((folder / "model.skops").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.skops").write_bytes(bytes(content))


def _stored_lost(folder: Path) -> None:
    (folder / "input_example.json").unlink()


@pytest.mark.parametrize("tamper", [_planted, _stored_flipped, _stored_swapped, _link, _linked_folder, _stored_lost])
def test_a_champion_that_was_tampered_with_is_refused_before_it_is_read(
    tamper: Callable[[Path], None], shop_model: Shop, mlflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever changed in MLflow's store, the model file is not even opened."""
    shop_model.register("night-1")
    champion = _champion(shop_model)
    read: list[Any] = []
    monkeypatch.setattr("include.registry.load_model.load_model", lambda *args: read.append(args))
    load_champion(champion)
    assert len(read) == 1

    tamper(_stored(mlflow_home, champion))

    with pytest.raises(ModelRefused):
        load_champion(champion)
    assert len(read) == 1


def test_each_file_of_a_registered_model_is_in_its_manifest(shop_model: Shop, mlflow_home: Path) -> None:
    """The manifest lists exactly the files of MLflow's store."""
    shop_model.register("night-1")
    champion = _champion(shop_model)

    model_id = champion.source.rpartition("/")[2]
    manifest = Path(settings.lake_uri()) / shop_model.name / "manifests" / f"{model_id}.json"
    stored = _stored(mlflow_home, champion)
    assert set(json.loads(manifest.read_text())["files"]) == {
        path.relative_to(stored).as_posix() for path in stored.rglob("*") if path.is_file()
    }


def test_a_version_that_lost_its_tag_is_refused(shop_model: Shop, client: MlflowClient) -> None:
    """Write access to MLflow is not enough to skip the verification of a version."""
    shop_model.register("night-1")
    client.delete_model_version_tag(shop_model.name, "1", "nightshift.manifest")

    with pytest.raises(ModelRefused, match=r"has lost its tag nightshift\.manifest"):
        load_champion(_champion(shop_model))


def test_a_version_of_a_release_without_manifests_is_loaded_by_its_digest(
    shop_model: Shop, client: MlflowClient
) -> None:
    """Versions that were registered earlier still load."""
    shop_model.register("night-1")
    client.delete_model_version_tag(shop_model.name, "1", "nightshift.manifest")
    for path in (Path(settings.lake_uri()) / shop_model.name / "manifests").iterdir():
        path.unlink()

    champion = _champion(shop_model)

    assert champion.manifest is None
    load_champion(champion)
    with pytest.raises(ModelRefused, match=r"^model\.skops has the SHA-256"):
        load_champion(replace(champion, sha256="0" * 64))
