"""The chain of records: whole whatever happens to those who write it, and telling whatever is changed afterwards."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from upath import UPath

from include.core import settings
from include.core.errors import LakeError
from include.lake import run_files
from include.registry.records import chain, files
from include.registry.records.record import canonical, parse_record, sha256, write_record
from tests import factories
from tests.services.s3 import REGION, running_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.registry.records.record import Record

NOW = datetime(2024, 3, 20, 23, 51, 7, tzinfo=UTC)
CONTENT = {"as_of": "2024-03-20", "seed": 7, "trials": [{"mae": 4.25}, {"mae": None}], "reason": "besser für Zürich"}

#: Appends as many records as it is told, of keys that begin as it is told, once a file gives the sign.
WRITER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from include.registry.records import chain
sign, prefix, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
while not sign.exists():
    time.sleep(0.001)
for number in range(count):
    chain.append(
        "shop", "retrain", f"{prefix}-{number}", by=str(number), content={"n": number}, now=datetime.now(UTC)
    )
"""

#: Appends one record, and dies as if by `kill -9` before or after the first call of a function of the system.
VICTIM = """
import os, sys
from datetime import UTC, datetime
from include.registry.records import chain
name, when = sys.argv[1:]
original = getattr(os, name)
def deadly(*args, **kwargs):
    if when == "after":
        original(*args, **kwargs)
    os._exit(137)
setattr(os, name, deadly)
chain.append("shop", "retrain", "night-2", by="airflow", content={"n": 2}, now=datetime(2024, 3, 21, tzinfo=UTC))
"""


@pytest.fixture
def lake(home: Path) -> Path:
    """Return the folder of the shop's records, in a lake that is a local folder."""
    return home / "lake" / "shop" / "records"


@pytest.fixture(params=["local", "memory"])
def any_lake(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UPath]:
    """Return the folder of the shop's records, in a lake that is a folder and in one that is an object store."""
    if request.param == "local":
        yield UPath(home / "lake" / "shop" / "records")
        return
    monkeypatch.setenv("LAKE_URI", "memory://records-of-a-test")
    folder = UPath("memory://records-of-a-test/shop/records")
    yield folder
    if folder.fs.exists("/records-of-a-test"):
        folder.fs.rm("/records-of-a-test", recursive=True)


def record(key: str, content: dict[str, Any] | None = None) -> Record:
    """Append a record of the shop."""
    return chain.append("shop", "retrain", key, by="airflow", content=CONTENT if content is None else content, now=NOW)


def recorded(count: int) -> list[Record]:
    """Append some records of the shop and return them."""
    return [record(f"night-{number}") for number in range(1, count + 1)]


def forged(path: Path, **changes: Any) -> None:
    """Change fields of a record and give it the digest that it then has."""
    document = json.loads(path.read_bytes()) | changes
    del document["sha256"]
    path.write_bytes(write_record(document))


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program of one's own, with this test's lake."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=settings.root(),
        env=os.environ | {"PYTHONPATH": str(settings.root())},
        stdout=subprocess.PIPE,
        text=True,
    )


def write_at_once(sign: Path, *prefixes: str, count: int) -> None:
    """Append records in several processes at once."""
    writers = [start(WRITER, sign, prefix, count) for prefix in prefixes]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    sign.touch()
    for writer in writers:
        writer.communicate(timeout=6000)
        assert writer.returncode == 0


# writing and reading


def test_records_are_read_as_they_were_appended(any_lake: UPath) -> None:
    """Each has the next number, the digest of the file before it, its time in UTC and its content unchanged."""
    first = record("night-1")
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    second = chain.append("shop", "rollback", "back", by="ada", content={"champion_after": 1}, now=berlin)

    assert chain.read_all("shop") == [first, second]
    assert chain.head("shop") == second
    assert (first.number, first.previous, first.content) == (1, None, CONTENT)
    assert (second.number, second.kind, second.key, second.by) == (2, "rollback", "back", "ada")
    assert second.recorded_at == "2024-03-20T23:51:07+00:00"
    assert second.previous == sha256((any_lake / "00000001.json").read_bytes()) == first.digest
    assert sorted(path.name for path in any_lake.iterdir()) == ["00000001.json", "00000002.json"]
    assert chain.verify("shop") == []


def test_a_pipeline_without_records_has_a_whole_chain(any_lake: UPath) -> None:
    """Nothing is read and nothing is wrong before the first run; reading makes no folder."""
    assert chain.read_all("shop") == []
    assert chain.head("shop") is None
    assert chain.verify("shop") == []
    assert not any_lake.exists()


def test_each_pipeline_has_a_chain_of_its_own(lake: Path) -> None:
    """Two pipelines count for themselves, and may have the same key."""
    recorded(2)

    other = chain.append("other", "retrain", "night-1", by="airflow", content={}, now=NOW)

    assert (other.number, other.previous) == (1, None)
    assert len(chain.read_all("shop")) == 2


def test_a_key_is_recorded_once(any_lake: UPath) -> None:
    """A task that runs again finds its record as it was, wherever in the chain, even if it says another thing now."""
    first, second = recorded(2)

    assert record("night-1", {"another": "content"}) == first
    assert record("night-2") == second
    assert len(chain.read_all("shop")) == 2


def test_a_key_that_another_record_only_speaks_of_is_not_recorded(lake: Path) -> None:
    """A content that quotes a key is not the record of that key."""
    record("night-1", {"key": "night-2", "quoted": '"key":"night-2"'})

    assert record("night-2").number == 2


def test_a_file_is_canonical_json_with_its_own_digest_last(lake: Path) -> None:
    """Whoever cuts the digest off with `sed` has the text that it is of."""
    record("night-1", {"b": [1, 2.5, True, None], "a": "é", "tiny": 1e-7})

    text = (lake / "00000001.json").read_text(encoding="utf-8")

    assert '"content":{"a":"é","b":[1,2.5,true,null],"tiny":1e-07},"key":"night-1"' in text
    assert text.endswith('"}')
    body, _, digest = text.removesuffix('"}').rpartition(',"sha256":"')
    assert sha256(f"{body}}}".encode()) == digest


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: "a", "1": "b"}, {1, 2}, NOW, "\ud800"])
def test_what_json_does_not_have_is_refused_before_anything_is_written(lake: Path, value: object) -> None:
    """A NaN, a set, a time or half of a character is a mistake of who records, and no number is used up."""
    with pytest.raises((ValueError, TypeError)):
        record("night-1", {"value": value})

    assert not lake.exists()


def test_an_unknown_kind_and_a_time_without_a_zone_are_refused(lake: Path) -> None:
    """Both would make a record that cannot be understood later."""
    with pytest.raises(ValueError, match="there is no kind of record 'retrained'; did you mean 'retrain'"):
        chain.append("shop", "retrained", "k", by="ada", content={}, now=NOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a time zone: 2024-03-20T23:51:07"):
        chain.append("shop", "retrain", "k", by="ada", content={}, now=NOW.replace(tzinfo=None))

    assert not lake.exists()


# several writers, and writers that die


def test_two_writers_at_once_make_one_chain(lake: Path, tmp_path: Path) -> None:
    """Of 100 records by two processes each has a number of its own, and each follows the one before."""
    write_at_once(tmp_path / "go", "one", "two", count=50)

    records = chain.read_all("shop")
    assert [each.number for each in records] == list(range(1, 101))
    assert {each.key for each in records} == {f"{writer}-{number}" for writer in ("one", "two") for number in range(50)}
    assert chain.verify("shop") == []
    assert len(list(lake.iterdir())) == 100


def test_a_task_that_runs_twice_at_once_records_once(lake: Path, tmp_path: Path) -> None:
    """Two processes that record the same keys make one record of each."""
    write_at_once(tmp_path / "go", "same", "same", count=30)

    records = chain.read_all("shop")
    assert sorted(each.key for each in records) == sorted(f"same-{number}" for number in range(30))
    assert chain.verify("shop") == []


@pytest.mark.parametrize("rival_key", ["rival", "night-2"])
def test_who_loses_a_number_reads_it_and_goes_on(
    any_lake: UPath, monkeypatch: pytest.MonkeyPatch, rival_key: str
) -> None:
    """A record that came between is followed where it is another's, and returned where it is the same."""
    recorded(1)
    looked = files.read_files

    def then_a_rival(pipeline: str) -> dict[int, bytes]:
        found = looked(pipeline)
        monkeypatch.setattr(chain, "read_files", looked)
        chain.append(pipeline, "retrain", rival_key, by="rival", content={}, now=NOW)
        return found

    monkeypatch.setattr(chain, "read_files", then_a_rival)

    mine = record("night-2")

    assert (mine.number, mine.by) == ((3, "airflow") if rival_key == "rival" else (2, "rival"))
    assert chain.verify("shop") == []


@pytest.mark.parametrize(
    ("name", "when", "written"),
    [
        ("fsync", "before", False),
        ("fsync", "after", False),
        ("link", "before", False),
        ("link", "after", True),
        ("unlink", "before", True),
        ("unlink", "after", True),
    ],
)
def test_a_killed_writer_leaves_a_whole_record_or_none(lake: Path, name: str, when: str, written: bool) -> None:
    """Wherever a process dies, no part of a record is ever read, and the task that runs again makes it whole."""
    recorded(1)

    victim = start(VICTIM, name, when)
    victim.communicate(timeout=600)

    assert victim.returncode == 137
    assert [each.key for each in chain.read_all("shop")] == ["night-1", "night-2"][: 1 + written]
    assert chain.verify("shop") == []
    again = record("night-2", {"n": 2})
    assert (again.number, len(chain.read_all("shop"))) == (2, 2)
    assert chain.verify("shop") == []


def test_a_full_disk_leaves_the_chain_as_it_was(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the operating system's reason, and no scratch file stays."""
    recorded(1)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LakeError, match=r"00000002\.json could not be written \(No space left on device\)"):
        record("night-2")

    assert [path.name for path in lake.iterdir()] == ["00000001.json"]


def test_a_file_in_the_place_of_the_folder_is_told(lake: Path) -> None:
    """It is not taken for a record that is there already."""
    lake.parent.mkdir(parents=True)
    lake.touch()

    with pytest.raises(LakeError, match=r"00000001\.json could not be written \(Not a directory\)"):
        record("night-1")


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links_is_looked_at_first(
    lake: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """There a record is whole all the same, and is not written over one that is there."""
    recorded(1)
    path = UPath(lake / "00000002.json")

    def no_links(_source: object, _target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    if taken:
        path.write_bytes(b"another's")
        with pytest.raises(FileExistsError):
            files.create_file(path, b"mine")
        assert path.read_bytes() == b"another's"
    else:
        assert record("night-2").number == 2
        assert chain.verify("shop") == []
    assert len(list(lake.iterdir())) == 2


@pytest.fixture
def s3_lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[UPath]:
    """Return the folder of the shop's records on an S3."""
    with running_s3() as server:
        server.write("lake", {})
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("LAKE_URI", "s3://lake")
        folder = UPath("s3://lake/shop/records")
        folder.fs.clear_instance_cache()  # the one of another test has another server
        yield UPath("s3://lake/shop/records")
        folder.fs.clear_instance_cache()


def test_s3_refuses_a_number_that_is_taken(s3_lake: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes at once make one chain there too, and the store itself has the last word."""
    write_at_once(tmp_path / "go", "one", "two", count=5)

    assert [each.number for each in chain.read_all("shop")] == list(range(1, 11))
    assert chain.verify("shop") == []
    path = s3_lake / "00000001.json"
    before = path.read_bytes()
    monkeypatch.setattr(type(path.fs), "exists", lambda *_: False)  # as if it had come a moment later
    with pytest.raises(FileExistsError):
        files.create_file(path, b"{}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("there", [False, True])
def test_a_store_that_fails_is_asked_whether_a_rival_was_quicker(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """Some stores refuse a taken name with an error of their own; any other failure is one sentence."""
    path = UPath("memory://a-store-that-fails/shop/records/00000001.json")

    def refuse(_store: object, name: str, _content: bytes, mode: str) -> None:
        assert mode == "create"
        if there:
            path.fs.store[name] = path.fs.open(name, "wb")
        raise OSError(22, "At least one of the conditions did not hold")

    monkeypatch.setattr(type(path.fs), "pipe_file", refuse)

    with pytest.raises(FileExistsError if there else LakeError):
        files.create_file(path, b"{}")
    path.fs.store.pop("/a-store-that-fails/shop/records/00000001.json", None)


# what was changed is found


def test_a_change_of_any_field_is_found(lake: Path) -> None:
    """Of the first, a middle and the last record, each field and each part of the content is proven."""
    recorded(3)
    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "number": lambda it: it.update(number=it["number"] + 1),
        "previous": lambda it: it.update(previous=sha256(b"another")),
        "sha256": lambda it: it.update(sha256=sha256(b"another")),
        "kind": lambda it: it.update(kind="promotion"),
        "key": lambda it: it.update(key="another"),
        "recorded_at": lambda it: it.update(recorded_at="2024-03-20T23:51:08+00:00"),
        "by": lambda it: it.update(by="nobody"),
        "content": lambda it: it.update(content={}),
        "a field of the content": lambda it: it["content"].update(seed=8),
        "a trial": lambda it: it["content"]["trials"].pop(),
        "a number written as text": lambda it: it["content"].update(seed="7"),
        "one more field of the content": lambda it: it["content"].update(more=None),
    }
    for number in (1, 2, 3):
        path = lake / f"{number:08d}.json"
        before = path.read_bytes()
        for what, change in changes.items():
            document = json.loads(before)
            change(document)
            assert canonical(document) != before, what
            path.write_bytes(canonical(document))
            assert any(f"shop: record {number} " in told for told in chain.verify("shop")), (number, what)
        path.write_bytes(before)
    assert chain.verify("shop") == []


def test_every_changed_byte_of_the_last_record_is_found(lake: Path) -> None:
    """Even where no later record names its digest."""
    record("night-1", {"n": 1})
    path = lake / "00000001.json"
    before = path.read_bytes()

    for at in range(len(before)):
        path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
        assert len(chain.verify("shop")) >= 1, at


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda raw: json.dumps(json.loads(raw), indent=1).encode(),
        lambda raw: raw + b"\n",
        lambda raw: raw[:-1] + b',"by":"airflow"}',
        lambda raw: b'{"by":"nobody",' + raw[1:],
    ],
    ids=["indented", "a line end", "a name twice at the end", "a name twice at the start"],
)
def test_another_way_of_writing_the_same_is_found(lake: Path, rewrite: Callable[[bytes], bytes]) -> None:
    """What other programs might read otherwise is not the record that was written."""
    recorded(1)
    path = lake / "00000001.json"
    path.write_bytes(rewrite(path.read_bytes()))

    [told] = chain.verify("shop")

    assert told == "shop: record 1 is not in canonical form, so its file was changed"


def test_a_forged_record_with_the_digest_that_it_then_has_is_found_by_the_next(lake: Path) -> None:
    """Whoever changes one record has to change all that follow."""
    recorded(3)
    forged(lake / "00000002.json", by="nobody")

    [told] = chain.verify("shop")

    assert told.startswith("shop: record 3 does not follow record 2: it names the digest ")


def test_a_chain_that_was_written_anew_is_found_by_a_digest_that_is_known(lake: Path) -> None:
    """The chain alone cannot tell; a digest from a run's log can."""
    known = recorded(3)
    for number in (1, 2, 3):
        path = lake / f"{number:08d}.json"
        previous = sha256((lake / f"{number - 1:08d}.json").read_bytes()) if number > 1 else None
        forged(path, by="nobody", previous=previous)

    assert chain.verify("shop") == []
    for each in known:
        [told] = chain.verify("shop", head=each.digest)
        assert f"no record has the digest {each.digest}" in told


def test_a_deleted_last_record_is_found_by_its_digest_only(lake: Path) -> None:
    """A chain does not know where it ends; the digest of an earlier record still holds."""
    *_, second, third = recorded(3)
    assert chain.verify("shop", head=third.digest) == []

    (lake / "00000003.json").unlink()

    assert chain.verify("shop") == []
    assert chain.verify("shop", head=second.digest) == []
    assert len(chain.verify("shop", head=third.digest)) == 1


@pytest.mark.parametrize(
    ("gone", "told"),
    [([1], "record 1 is missing from"), ([2], "record 2 is missing from"), ([1, 2], "the records 1 to 2 are missing")],
)
def test_a_gap_is_told_once(lake: Path, gone: list[int], told: str) -> None:
    """Records that were deleted from the start or the middle are named, and what follows is not blamed for it."""
    recorded(4)
    for number in gone:
        (lake / f"{number:08d}.json").unlink()

    [problem] = chain.verify("shop")

    assert told in problem
    assert str(lake) in problem


def test_a_number_far_away_is_told_in_one_sentence(lake: Path) -> None:
    """A copy under a wild name does not make a sentence for each number in between."""
    recorded(1)
    (lake / "99999999.json").write_bytes((lake / "00000001.json").read_bytes())

    problems = chain.verify("shop")

    assert problems == [
        f"shop: the records 2 to 99999998 are missing from {lake}",
        "shop: record 99999999 has the number 1 inside, so its file was changed or renamed",
    ]


def test_swapped_records_are_found(lake: Path) -> None:
    """Their numbers and their links say so."""
    recorded(3)
    first, second = lake / "00000001.json", lake / "00000002.json"
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)

    problems = "\n".join(chain.verify("shop"))

    assert "record 1 has the number 2 inside" in problems
    assert "record 1 is the first, but names the digest" in problems
    assert "record 3 does not follow record 2" in problems


UNREADABLE = {
    "": "Expecting value",
    "[]": "it should hold by, content",
    '{"number": 1}': "it should hold by, content",
    '{"number": NaN}': "it holds NaN, which is not JSON",
    "[" * 100_000: "it is nested too deeply",
    "\udcff": "'utf-8' codec can't decode",
}


@pytest.mark.parametrize("text", UNREADABLE, ids=["empty", "a list", "lacking", "NaN", "deep", "not UTF-8"])
def test_what_is_no_record_is_told_and_does_not_stop_the_next(lake: Path, text: str) -> None:
    """Reading refuses it in one sentence; a night still records its decision behind it."""
    recorded(1)
    (lake / "00000002.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    [told] = chain.verify("shop")
    assert f"00000002.json is not a record ({UNREADABLE[text]}" in told
    with pytest.raises(LakeError, match=r"00000002\.json is not a record .*nightshift verify shop names every"):
        chain.read_all("shop")
    with pytest.raises(LakeError, match="is not a record"):
        chain.head("shop")
    assert record("night-3").number == 3
    assert chain.verify("shop") == [told]


def test_half_of_a_character_is_no_record_and_its_name_is_text() -> None:
    """JSON can write what no text is; a reason may speak of it."""
    document = {
        "number": 1,
        "previous": None,
        "kind": "retrain",
        "key": "k",
        "recorded_at": "",
        "by": "by",
        "content": {},
    }

    assert parse_record(write_record(document | {"by": r"\ud800"})).by == r"\ud800"
    with pytest.raises(ValueError, match="surrogates not allowed"):
        parse_record(write_record(document).replace(b'"by":"by"', rb'"by":"\ud800"'))


@pytest.mark.parametrize(
    ("field", "value"), [("number", True), ("number", "1"), ("content", []), ("by", None), ("previous", 1)]
)
def test_a_field_of_another_type_is_no_record(field: str, value: object) -> None:
    """What reads a record can rely on its types."""
    document = {
        "number": 1,
        "previous": None,
        "kind": "retrain",
        "key": "k",
        "recorded_at": "",
        "by": "",
        "content": {},
    }

    with pytest.raises(ValueError, match=f"its {field} is of another type"):
        parse_record(write_record(document | {field: value}))


def test_what_is_no_record_by_its_name_is_left_alone(lake: Path) -> None:
    """A scratch file of a killed writer, an editor's copy and a record without a number are not read."""
    recorded(1)
    for name in (".00000002.json.0123456789abcdef0123456789abcdef", "00000002.json~", "2.json", "00000000.json"):
        (lake / name).write_bytes(b"half a rec")

    assert chain.verify("shop") == []
    assert record("night-2").number == 2


def test_a_lake_that_cannot_be_read_is_one_sentence(lake: Path) -> None:
    """A record that is a folder is told with its path and the system's reason."""
    (lake / "00000001.json").mkdir(parents=True)

    for ask in (chain.read_all, chain.head, chain.verify, lambda _: record("night-1")):
        with pytest.raises(LakeError, match=r"00000001\.json could not be read \(Is a directory\); check LAKE_URI"):
            ask("shop")


def test_a_record_of_an_earlier_commit_is_whole_and_followed(lake: Path) -> None:
    """A chain that was begun before an upgrade goes on after it, and proves what it proved."""
    path = files.record_file("shop", 1)
    run_files.write_bytes(path, (factories.OTHER_RELEASES / "record-32d988c.json").read_bytes())

    chain.append("shop", "retrain", "night-2", by="airflow", content=CONTENT, now=NOW)

    first, second = chain.read_all("shop")
    assert (first.kind, first.content["verdict"], second.previous) == ("retrain", "inconclusive", first.digest)
    assert chain.verify("shop") == []


def test_a_record_with_a_field_of_another_release_is_refused_in_words(lake: Path) -> None:
    """A record is never read by half."""
    raw = json.loads((factories.OTHER_RELEASES / "record-32d988c.json").read_bytes())
    run_files.write_bytes(files.record_file("shop", 1), canonical(raw | {"signature": "of a later release"}))

    with pytest.raises(LakeError, match=r"00000001\.json is not a record \(it should hold by, .* and nothing else\)"):
        chain.read_all("shop")
