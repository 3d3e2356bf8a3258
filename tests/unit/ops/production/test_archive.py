"""Archives: what is in them, what is left out, and unpacking."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from include.core.errors import RestoreRefused
from include.ops.production.archive import Archive, clear_unpacked, files_below, is_empty, move_in, unpack

if TYPE_CHECKING:
    from pathlib import Path


def archived(folder: Path, path: Path) -> Archive:
    """Archive every file below a folder."""
    with Archive(path) as archive:
        for each in files_below(folder):
            archive.add(folder, each)
    return archive


def test_files_come_back_with_their_content_and_time(tmp_path: Path) -> None:
    """Nested folders are included, and the sizes are known without reading the archive."""
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "deep").write_bytes(b"12345")
    (tree / "top").write_bytes(b"")

    archive = archived(tree, tmp_path / "tree.tar")
    move_in(unpack(tmp_path / "tree.tar", tmp_path / "again"), tmp_path / "again")

    assert archive.sizes == {"a/b/deep": 5, "top": 0}
    again = tmp_path / "again"
    assert {path: (again / path).read_bytes() for path in files_below(again)} == {"a/b/deep": b"12345", "top": b""}
    assert int((again / "a/b/deep").stat().st_mtime) == int((tree / "a/b/deep").stat().st_mtime)


def test_symlinks_are_left_out_and_listed(tmp_path: Path) -> None:
    """No link to a file or a folder is followed, because it may lead to a secret."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "secret").write_text("secret")
    (tree / "file").symlink_to(tmp_path / "secret")
    (tree / "folder").symlink_to(tmp_path)

    archive = archived(tree, tmp_path / "tree.tar")

    assert archive.sizes == {}
    assert sorted(archive.left_out) == [str(tree / "file"), str(tree / "folder")]


def test_a_file_that_was_removed_after_the_listing_is_skipped(tmp_path: Path) -> None:
    """Maintenance may remove old files during a backup."""
    with Archive(tmp_path / "tree.tar") as archive:
        archive.add(tmp_path, "gone")

    assert archive.sizes == {}


def test_a_member_outside_the_folder_is_refused(tmp_path: Path) -> None:
    """A forged archive writes nothing outside its folder."""
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        member = tarfile.TarInfo("../outside")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"bad"))

    with pytest.raises(RestoreRefused, match="cannot be unpacked"):
        unpack(tmp_path / "bad.tar", tmp_path / "inside" / "folder")

    assert not list(tmp_path.rglob("outside"))


def test_two_archives_fill_one_folder(tmp_path: Path) -> None:
    """The lake's two parts have folders in common."""
    for number in ("1", "2"):
        (tmp_path / number / "shop" / "both").mkdir(parents=True)
        (tmp_path / number / "shop" / "both" / number).write_text(number)
        archived(tmp_path / number, tmp_path / f"{number}.tar")
        move_in(unpack(tmp_path / f"{number}.tar", tmp_path / "lake"), tmp_path / "lake")

    assert list(files_below(tmp_path / "lake")) == ["shop/both/1", "shop/both/2"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("/outside", tarfile.REGTYPE),
        ("a/../../outside", tarfile.REGTYPE),
        ("a", tarfile.SYMTYPE),
        ("a", tarfile.LNKTYPE),
    ],
)
def test_only_plain_files_below_the_folder_are_unpacked(tmp_path: Path, name: str, kind: bytes) -> None:
    """Absolute paths, paths that lead out, and links of both kinds are refused, and no file is written."""
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)

    with pytest.raises(RestoreRefused, match="is not a regular file below the folder"):
        unpack(tmp_path / "bad.tar", tmp_path / "folder")
    assert not any(path.is_symlink() or path.is_file() for path in (tmp_path / "folder").rglob("*"))


def test_the_remains_of_an_interrupted_unpacking_do_not_count(tmp_path: Path) -> None:
    """The folder still counts as empty, and is cleared; so does that of a new disk."""
    (tmp_path / "empty").mkdir()
    archived(tmp_path / "empty", tmp_path / "empty.tar")
    target = tmp_path / "target"
    (target / "lost+found").mkdir(parents=True)
    unpack(tmp_path / "empty.tar", target)
    assert is_empty(target)
    assert is_empty(tmp_path / "not there")

    clear_unpacked(target)
    assert [path.name for path in target.iterdir()] == ["lost+found"]
    (target / "file").touch()
    assert not is_empty(target)
