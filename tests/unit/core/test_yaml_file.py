"""YAML is read as it is written, and repeated or unreadable fields give one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.core.errors import ConfigError
from include.core.yaml_file import MAX_BYTES, YamlFile, read_yaml, write_yaml

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, content: str | bytes) -> YamlFile:
    """Read a file with this content."""
    path = folder / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path, "file.yaml")


def refused(folder: Path, content: str | bytes) -> str:
    """Return the error about a file with this content."""
    with pytest.raises(ConfigError) as error:
        read(folder, content)
    return str(error.value)


@pytest.mark.parametrize(
    "written",
    ["NO", "no", "on", "Off", "yes", "y", "010", "0099", "1_000", "0x1F", "0o17", "0b1", "1:30", "12:30:00",
     "2024-01-01", "2024-01-01 10:00:00", ".inf", "-.INF", ".nan", "1e", "1.2.3", "=", "nUlL", "tRue"],
)  # fmt: skip
def test_an_unquoted_value_is_the_text_that_was_written(tmp_path: Path, written: str) -> None:
    """The country NO is not false, and the code 010 is not the number 8."""
    assert read(tmp_path, f"a: [{written}]").data == {"a": [written]}


@pytest.mark.parametrize(
    ("written", "value"),
    [("12", 12), ("-3", -3), ("+4", 4), ("0", 0), ("1.50", 1.5), ("1e3", 1000.0), (".5", 0.5), ("-2.5E-1", -0.25),
     ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
     ("'12'", "12"), ('"true"', "true"), ("''", ""), ("!!str 12", "12"), ("!!str null", "null")],
)  # fmt: skip
def test_numbers_booleans_and_null_have_their_type(tmp_path: Path, written: str, value: Any) -> None:
    """These are the same in every version of YAML and in JSON; quotes make each of them a text."""
    found = read(tmp_path, f"a: {written}\n").data["a"]

    assert found == value
    assert type(found) is type(value)


def test_a_name_of_a_field_is_always_text(tmp_path: Path) -> None:
    """A column may be called 2024, on, no or y."""
    assert read(tmp_path, "{2024: a, on: b, no: c, y: d, null: e, 1.0: f}").data == {
        "2024": "a", "on": "b", "no": "c", "y": "d", "null": "e", "1.0": "f",
    }  # fmt: skip


def test_a_field_written_twice_is_refused_at_every_depth(tmp_path: Path) -> None:
    """Each error has both lines, however the field is quoted."""
    text = "a:\n  b: 1\n  c: {d: 1, 'd': 2}\n  b: 2\nlist:\n- x: 1\n  x: 2\n\"a\": 3\n"

    assert refused(tmp_path, text).splitlines() == [
        "file.yaml:3: a.c.d: this field is written twice, first in line 3; keep one of them",
        "file.yaml:4: a.b: this field is written twice, first in line 2; keep one of them",
        "file.yaml:7: list.0.x: this field is written twice, first in line 6; keep one of them",
        "file.yaml:8: a: this field is written twice, first in line 1; keep one of them",
    ]


def test_aliases_and_merges_repeat_what_they_name(tmp_path: Path) -> None:
    """Own fields take precedence over merged ones, and the first merged mapping over the second."""
    text = "one: &one {x: 1, y: 2}\ntwo: &two {x: 9, z: 3}\nboth:\n  y: 5\n  <<: [*one, *two]\nagain: *one\n"

    file = read(tmp_path, text)

    assert file.data["both"] == {"x": 1, "y": 5, "z": 3}
    assert file.data["again"] == {"x": 1, "y": 2}
    assert [file.line(("both", "y")), file.line(("both", "z")), file.line(("again", "x"))] == [4, 5, 6]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: {<<: {x: 1}, <<: {y: 1}}", ":1: a.<<: this field is written twice"),
        ("a: &a 3\nb:\n  <<: *a\n", ":3: `<<` needs the alias of a mapping"),
        ("a: &a [1, *a]\n", ":1: the alias *a is inside the value that it repeats"),
        ("a: 1\nb: *a\n", ":2: the alias *a has no anchor &a above it"),
        ("a: 1\n---\nb: 2\n", ":2: a second document begins here"),
        ("a: !!python/object:os.system ls\n", ":1: the tag !!python/object:os.system has no meaning here"),
        ("a: !!set {b, c}\n", ":1: the tag !!set has no meaning here"),
        ("a:\n  b: 1e400\n", ":2: 1e400 is too large for a number"),
        ("a: " + "9" * 5000, ":1: the number has too many digits"),
        ("a:\n\tb: 1\n", ":2: this is not valid YAML: a tab indents the line; use spaces"),
        ("a: Caf\u00e9\nb: 1".encode("latin-1"), ":1: the byte 0xe9 is not UTF-8"),
        ("a: 1\n".encode("utf-16"), ":1: the byte 0xff is not UTF-8"),
        (b"a: \x00", ": this is not valid YAML: "),
        ('a: "x\\0y"', ":1: the text has a zero byte"),
        ("[" * 100_000, ":1: more than 50 levels are nested here"),
        ("- " * 100_000, ":1: more than 50 levels are nested here"),
        ("? [a, b]\n: c\n", ":1: this is not valid YAML: a field's name is not a text"),
        ("a: 1\n" * (MAX_BYTES // 4), ": the file has more than 1,000,000 bytes"),
    ],
)
def test_an_unreadable_file_gives_one_sentence_with_the_line(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    """No file ends the process, and none is read in part."""
    refusal = refused(tmp_path, text)

    assert refusal.startswith(f"file.yaml{sentence}")
    assert "\n" not in refusal


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Ten levels of ten aliases each would be ten thousand million values."""
    lists = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 11)]

    assert "values, counting those of aliases" in refused(tmp_path, "\n".join(["l0: &l0 [x]", *lists]))


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    """Editors on Windows write both."""
    file = read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: NO\r\n")

    assert file.data == {"a": 1, "b": "NO"}
    assert file.line(("b",)) == 2


@pytest.mark.parametrize(
    ("text", "data"), [("", None), ("# a\n", None), ("- a\n", ["a"]), ('{"a": ["b", 1]}', {"a": ["b", 1]})]
)
def test_other_shapes_are_left_to_the_reader(tmp_path: Path, text: str, data: Any) -> None:
    """An empty file is None, and JSON is YAML."""
    assert read(tmp_path, text).data == data


def test_a_path_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A folder, a broken link and a missing file each have their own sentence."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    for name, sentence in [("folder", "this is not a file"), ("link", "No such file"), ("none", "No such file")]:
        with pytest.raises(ConfigError, match=sentence):
            read_yaml(tmp_path / name, "file.yaml")


@pytest.mark.parametrize(
    "value",
    ["NO", "010", "1e3", ".5", "-1E5", "0x1F", "1:30", "2024-01-01", "null", "true", "", "~", "a: b", "- a", "#", "\t",
     1, 1.5, 1e300, True, None],
)  # fmt: skip
def test_written_yaml_is_read_back_unchanged(tmp_path: Path, value: Any) -> None:
    """A suggested set of codes such as 1e3 would otherwise become numbers."""
    data = {"set": [value, [value]], "field": {"value": value}}

    found = read(tmp_path, write_yaml(data, 100)).data

    assert found == data
    assert type(found["field"]["value"]) is type(value)
