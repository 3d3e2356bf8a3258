"""A file matches the checksum and row count in its companion files, or it is refused with both values."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from upath import UPath

from include.config.sources.files_source import FilesSource
from include.core.errors import SourceUnreadable
from include.ingestion.files import read_files

if TYPE_CHECKING:
    from pathlib import Path

    from include.ingestion.files import FileRead

CONTENT = b"id,at\n1,2024-01-01\n2,2024-01-01\n"
NAME = "in/2024-01-01.csv"


def source(**changes: Any) -> FilesSource:
    """Return a source of one file a day."""
    fields = {
        "kind": "files",
        "connection": "landing",
        "path": "in/{ds}.csv",
        "key": ["id"],
        "available_at": "at",
        "columns": {"id": "integer", "at": "timestamp"},
    }
    return FilesSource.model_validate(fields | changes)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Return a folder with one data file."""
    write(tmp_path, NAME, CONTENT)
    return tmp_path


def write(folder: Path, name: str, content: bytes | str) -> None:
    """Put a file in the folder."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def files(folder: Path | UPath, **changes: Any) -> list[FileRead]:
    """Read all rows and return the manifest's record of the files."""
    delivery = read_files(source(**changes), ["2024-01-01"], UPath(folder), "shop")
    for _ in delivery.chunks:
        pass
    return delivery.read_from.files


def refused(folder: Path | UPath, **changes: Any) -> str:
    """Return the error, which is retried until all files have arrived."""
    with pytest.raises(SourceUnreadable) as told:
        files(folder, **changes)
    assert told.value.retryable
    assert str(told.value).startswith("shop")
    assert str(told.value).endswith("nothing was published")
    return str(told.value)


def digest(algorithm: str, content: bytes = CONTENT) -> str:
    """Return a digest in hexadecimal."""
    return hashlib.new(algorithm, content).hexdigest()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1", "md5"])
@pytest.mark.parametrize(
    "text",
    [
        "{digest}",
        "{digest}  2024-01-01.csv\n",
        "{digest} *./out/2024-01-01.csv\r\n",
        "\ufeff{DIGEST}\n",
        "SHA256 (2024-01-01.csv) = {digest}\n",
        "SHA2-256(/tmp/2024-01-01.csv)= {digest}\n",
        "# made at night\n{other}  2024-01-02.csv\n{digest}  2024-01-01.csv\n",
    ],
)
def test_a_file_with_the_declared_checksum_is_read(landing: Path, algorithm: str, text: str) -> None:
    """The digest may be alone or as sha256sum, BSD or openssl write it; the manifest names the companion file."""
    right, other = digest(algorithm), digest(algorithm, b"other")
    write(landing, f"{NAME}.{algorithm}", text.format(digest=right, DIGEST=right.upper(), other=other))

    assert files(landing)[0].as_declared_by == [f"{NAME}.{algorithm}"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1", "md5"])
def test_a_file_with_another_checksum_is_refused(landing: Path, algorithm: str) -> None:
    """A file that was truncated after a row looks complete; the error has both values."""
    write(landing, f"{NAME}.{algorithm}", digest(algorithm))
    write(landing, NAME, CONTENT[:-13])

    assert refused(landing) == (
        f"shop, file {landing}/{NAME}: its {algorithm} is {digest(algorithm, CONTENT[:-13])}, and "
        f"2024-01-01.csv.{algorithm} declares {digest(algorithm)}; deliver it again, then run this task again; nothing "
        "was published"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        digest("sha256")[:-1],
        digest("md5"),
        "{0} a.csv\n{0} b.csv".format(digest("sha256")),
        "no digest here",
    ],
)
def test_an_unreadable_checksum_is_refused(landing: Path, text: str) -> None:
    """The companion file may still be incomplete."""
    write(landing, f"{NAME}.sha256", text)

    assert "2024-01-01.csv.sha256 does not declare one sha256 digest of the file" in refused(landing)


def test_the_checksum_covers_the_compressed_file(landing: Path) -> None:
    """The checksum is that of the file's bytes, not of its decompressed content."""
    packed = gzip.compress(CONTENT)
    write(landing, f"{NAME}.gz", packed)
    write(landing, f"{NAME}.gz.md5", digest("md5", packed))

    assert files(landing, path="in/{ds}.csv.gz")[0].as_declared_by == [f"{NAME}.gz.md5"]


@pytest.mark.parametrize("name", ["rows", "count"])
@pytest.mark.parametrize("text", ["2", "2\n", "rows: 2", "Rows=2\r\n", "2 "])
def test_a_file_with_as_many_rows_as_declared_is_read(landing: Path, name: str, text: str) -> None:
    """The header does not count as a row."""
    write(landing, f"{NAME}.{name}", text)

    assert files(landing)[0].as_declared_by == [f"{NAME}.{name}"]


@pytest.mark.parametrize(("declared", "told"), [("1,002", "1,002"), ("3", "3; the header is not one of them")])
def test_a_file_with_another_number_of_rows_is_refused(landing: Path, declared: str, told: str) -> None:
    """The error has both numbers."""
    write(landing, f"{NAME}.rows", declared)

    assert refused(landing) == (
        f"shop, file {landing}/{NAME}: it has 2 rows, and 2024-01-01.csv.rows declares {told}; deliver it again, then "
        "run this task again; nothing was published"
    )


@pytest.mark.parametrize("text", ["", "many", "2 3", "-2", "2.5"])
def test_a_row_count_that_is_not_a_number_is_refused(landing: Path, text: str) -> None:
    """The companion file may still be incomplete."""
    write(landing, f"{NAME}.rows", text)

    assert "2024-01-01.csv.rows must hold the number of the file's rows and nothing else" in refused(landing)


def test_a_required_companion_file_is_waited_for(landing: Path) -> None:
    """A file is not complete before its checksum, which is written last."""
    told = refused(landing, checksum="required")
    assert "it has no companion file 2024-01-01.csv.sha256 or 2024-01-01.csv.sha512 or" in told
    assert ", and checksum is required" in told
    assert "and row_count is required" in refused(landing, row_count="required")
    write(landing, f"{NAME}.sha256", digest("sha256"))
    write(landing, f"{NAME}.count", "2")
    assert files(landing, checksum="required", row_count="required")[0].rows == 2


def test_companion_files_may_be_ignored(landing: Path) -> None:
    """A team whose `.count` counts something else switches the check off."""
    write(landing, f"{NAME}.count", "visitors")
    write(landing, f"{NAME}.md5", "0")

    assert files(landing, checksum="off", row_count=False)[0].as_declared_by is None


@pytest.mark.parametrize("path", ["in/{ds}*", "in/*{ds}.csv*", "**/{ds}*", "in/{ds}.*"])
def test_a_companion_file_is_not_read_as_data(landing: Path, path: str) -> None:
    """A wildcard that also matches the checksum file reads only the data file."""
    write(landing, f"{NAME}.sha256", digest("sha256"))
    write(landing, f"{NAME}.rows", "2")

    assert [file.path for file in files(landing, path=path)] == [NAME]


@pytest.mark.parametrize("path", ["in/{ds}*.csv", "in/{ds}*"])
def test_a_companion_without_its_file_is_an_error(landing: Path, path: str) -> None:
    """If the checksum of the second file exists and the file does not, the day is incomplete."""
    write(landing, "in/2024-01-01-south.csv.sha256", digest("sha256"))

    assert (
        f"file {landing}/in/2024-01-01-south.csv: 2024-01-01-south.csv.sha256 exists, but the file itself does not"
        in refused(landing, path=path)
    )


def test_a_data_file_may_end_like_a_companion_file(landing: Path) -> None:
    """A path that ends with such an ending names the data file itself."""
    write(landing, "in/2024-01-01.count", CONTENT)

    assert [file.path for file in files(landing, path="in/{ds}.count", format="csv")] == ["in/2024-01-01.count"]
    assert [file.path for file in files(landing, path="in/*{ds}.count", format="csv")] == ["in/2024-01-01.count"]


@pytest.mark.parametrize("path", ["in/{ds}.csv", "in/{ds}*"])
def test_a_day_is_read_once_its_marker_exists(landing: Path, path: str) -> None:
    """Files without the marker may be incomplete; a day without files and marker is missing."""
    complete_when = "in/{ds}.done"
    assert refused(landing, path=path, complete_when=complete_when) == (
        f"shop: the day is not complete: in/2024-01-01.done, which complete_when names, is not below {landing}, "
        f"and {NAME} is; run this task again when it is there; nothing was published"
    )
    write(landing, "in/2024-01-01.done", "")
    assert [file.path for file in files(landing, path=path, complete_when=complete_when)] == [NAME]
    delivery = read_files(source(path=path, complete_when=complete_when), ["2024-01-02"], UPath(landing), "shop")
    assert list(delivery.chunks) == []
    assert len(delivery.read_from.missing) == 1


def test_the_marker_of_one_day_is_not_that_of_another() -> None:
    """A marker without a day would exist forever."""
    with pytest.raises(ValidationError, match="complete_when 'in/_SUCCESS' does not name the day"):
        source(complete_when="in/_SUCCESS")
    assert source(path="all.csv", arrives="snapshot", complete_when="_SUCCESS").complete_when == "_SUCCESS"


def test_companion_files_are_found_without_permission_to_list(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a path without wildcards, permission to read objects is enough."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(landing, f"{NAME}.rows", "3")
    monkeypatch.setattr(type(UPath(landing)), "iterdir", denied)

    assert "it has 2 rows, and 2024-01-01.csv.rows declares 3" in refused(landing)


@pytest.mark.parametrize("path", ["in/{ds}.csv", "in/{ds}*"])
def test_companion_objects_of_a_store_are_found(path: str) -> None:
    """A path without wildcards looks up each name; a path with wildcards lists the folder."""
    store = UPath(f"memory://{'listed' if '*' in path else 'asked'}")
    (store / "in").mkdir(parents=True, exist_ok=True)
    (store / NAME).write_bytes(CONTENT)
    assert [file.path for file in files(store, path=path)] == [NAME]
    (store / f"{NAME}.rows").write_bytes(b"3")

    assert "it has 2 rows, and 2024-01-01.csv.rows declares 3" in refused(store, path=path)
