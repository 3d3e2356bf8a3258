"""A pipeline is a folder: it is found by its name, read whole, and checked file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.config.loader import load_pipeline, pipeline_names, read_pipeline, stray_suites
from include.core.errors import ConfigError
from include.features.query import feature_schema
from include.validation.suite import read_items, suite_path
from tests.factories import SHOP_YAML, write_shop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", pipeline_names())
def test_the_repositorys_pipelines_have_no_mistake(name: str) -> None:
    """Each pipeline of the repository loads, its suites are read, and its query fits its sources."""
    pipeline = load_pipeline(name)

    assert pipeline.name == name
    assert [read_items(suite_path(pipeline.folder, suite))[1] for suite in [*pipeline.sources, "features"]] == [
        [] for _ in [*pipeline.sources, "features"]
    ]
    assert stray_suites(pipeline) == []
    assert pipeline.features.label in feature_schema(pipeline).names


def test_the_pipelines_are_the_folders_with_a_pipeline_yaml(shop: Path) -> None:
    """A folder without pipeline.yaml is not a pipeline, and the names are sorted."""
    write_shop(shop.parent, "bakery")
    (shop.parent / "notes").mkdir()

    assert pipeline_names() == ["bakery", "shop"]


def test_an_unknown_pipeline_suggests_the_nearest(shop: Path) -> None:
    """A typo on the command line names the pipeline that was meant."""
    with pytest.raises(ConfigError, match="there is no pipeline 'shopp'; did you mean 'shop'"):
        load_pipeline("shopp")


def test_loading_lists_every_mistake_on_its_own_line(shop: Path) -> None:
    """A run is refused with the mistakes that `read_pipeline` finds."""
    write_shop(shop.parent, pipeline=SHOP_YAML.replace("folds: 2", "folds: 1").replace("minimum: 50", "minimum: x"))

    with pytest.raises(ConfigError) as refused:
        load_pipeline("shop")

    assert str(refused.value).splitlines() == read_pipeline(shop)[1]
    assert len(read_pipeline(shop)[1]) == 2


@pytest.mark.parametrize("name", ["Shop", "my-shop", "2nd_shop", "my shop"])
def test_a_folders_name_must_be_usable_as_a_name(tmp_path: Path, name: str) -> None:
    """The folder's name becomes DAG ids and paths, so it is lower case letters, digits and _."""
    pipeline, [sentence] = read_pipeline(write_shop(tmp_path, name))

    assert pipeline is None
    assert f"the folder's name '{name}'" in sentence
    assert "use lower case letters, digits, _" in sentence


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (SHOP_YAML.replace("    kind: sql", "   kind: sql"), ":7: "),
        (SHOP_YAML.replace("owner: shop-team", "owner: shop: team"), ":2: "),
        (SHOP_YAML + "? [a, b]\n: c\n", f":{len(SHOP_YAML.splitlines()) + 1}: "),
        ("owner: '\n", ":2: "),
        ("owner: \x00", ": "),
    ],
)
def test_malformed_yaml_is_reported_with_its_line(tmp_path: Path, text: str, place: str) -> None:
    """Wrong indentation or a missing quote is not a traceback but a sentence that says where to look."""
    folder = write_shop(tmp_path, pipeline=text)

    pipeline, [sentence] = read_pipeline(folder)

    assert pipeline is None
    assert sentence.startswith(f"{folder / 'pipeline.yaml'}{place}this is not valid YAML: ")
    assert sentence.endswith("check indentation and quotes")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- list\n", "just words\n", "42\n"])
def test_yaml_without_fields_names_the_expected_fields(tmp_path: Path, text: str) -> None:
    """Valid YAML of another shape names the fields that were expected."""
    pipeline, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=text))

    assert pipeline is None
    assert "expected fields such as `description:` and `sources:`, found none" in sentence


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """A file in another encoding is one sentence, not a traceback."""
    folder = write_shop(tmp_path)
    (folder / "pipeline.yaml").write_bytes("owner: Café\n".encode("latin-1"))

    pipeline, [sentence] = read_pipeline(folder)

    assert pipeline is None
    assert sentence.endswith("pipeline.yaml:1: the byte 0xe9 is not UTF-8; save the file as UTF-8")


def test_a_value_that_looks_like_a_date_stays_text(tmp_path: Path) -> None:
    """The reader makes no date of it, so an impossible date is not a traceback."""
    text = SHOP_YAML.replace("owner: shop-team", "owner: 2024-13-45")

    pipeline, mistakes = read_pipeline(write_shop(tmp_path, pipeline=text))

    assert mistakes == []
    assert pipeline is not None
    assert pipeline.owner == "2024-13-45"


def test_a_field_written_twice_is_a_mistake(tmp_path: Path) -> None:
    """With two values for one field, a person may believe in the one that is not used."""
    text = SHOP_YAML.replace("history_days: 120", "history_days: 120\nhistory_days: 30")

    _, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=text))

    assert sentence.endswith(
        "pipeline.yaml:4: history_days: this field is written twice, first in line 3; keep one of them"
    )


def test_a_number_in_place_of_text_must_be_quoted(tmp_path: Path) -> None:
    """A description of digits alone is a number in YAML."""
    _, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=SHOP_YAML.replace("owner: shop-team", "owner: 47")))

    assert sentence.endswith("pipeline.yaml:2: owner: expected text, found 47; write it in quotes")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("double", "float"), ("DOUBLE PRECISION", "float"), ("numeric(10,2)", "float"), ("varchar", "string"),
     ("text", "string"), ("int", "integer"), ("bigint", "integer"), ("bool", "boolean"), ("date", "timestamp"),
     ("datetime", "timestamp"), ("timestamp with time zone", "timestamp"), ("flot", "float")],
)  # fmt: skip
def test_another_systems_type_name_suggests_ours(tmp_path: Path, name: str, meant: str) -> None:
    """People write the type that their database has."""
    text = SHOP_YAML.replace("revenue: float", f"revenue: {name}")

    _, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=text))

    assert f"sources.sales.columns.revenue: there is no value '{name}'; did you mean '{meant}'? (known: " in sentence


@pytest.mark.parametrize("value", ["no", "On", "1_000", "010", "0x1F", ".inf"])
def test_an_ambiguous_parameter_is_refused(tmp_path: Path, value: str) -> None:
    """An estimator treats the text `no` as true, and no schema knows the types of its parameters."""
    own = (
        "  own_candidates:\n    near:\n      estimator: sklearn.neighbors.KNeighborsRegressor\n"
        f"      params: {{a: {value}, b: '{value}', c: true}}\n      search: {{d: {{choices: [{value}, 5]}}}}\n"
    )
    text = SHOP_YAML.replace("  seed: 7\n", f"  seed: 7\n{own}")

    mistakes = read_pipeline(write_shop(tmp_path, pipeline=text))[1]

    assert [each.partition("training.")[2].partition(" may be")[0] for each in mistakes] == [
        f"own_candidates.near.params.a: {value}",
        f"own_candidates.near.search.d.choices.0: {value}",
    ]


@pytest.mark.parametrize("delay", ["30:00", "1:30"])
def test_a_duration_of_two_parts_is_refused(tmp_path: Path, delay: str) -> None:
    """Some read 30:00 as half an hour and others as thirty hours."""
    text = SHOP_YAML.replace("available_at: closed_at", f"available_at: {{column: closed_at, delay: {delay}}}")

    _, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=text))

    assert "write hours, minutes and seconds, such as 00:30:00" in sentence


@pytest.mark.parametrize(
    ("old", "new", "field", "meant"),
    [
        ("query: sql/sales.sql", "query: sql/sale.sql", "sources.sales.query", "sql/sales.sql"),
        ("  label: revenue", "  query: feature.sql\n  label: revenue", "features.query", "features.sql"),
    ],
)
def test_a_missing_sql_file_suggests_the_nearest(tmp_path: Path, old: str, new: str, field: str, meant: str) -> None:
    """The sentence names the field and the file that exists."""
    _, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=SHOP_YAML.replace(old, new)))

    assert f"{field}: there is no file" in sentence
    assert f"did you mean '{meant}'?" in sentence


def test_a_missing_sql_file_is_reported_with_its_line(tmp_path: Path) -> None:
    """Every mistake of pipeline.yaml says on which line it is."""
    text = SHOP_YAML.replace("query: sql/sales.sql", "query: sql/sale.sql")
    _, [sentence] = read_pipeline(write_shop(tmp_path, pipeline=text))

    assert "pipeline.yaml:8: " in sentence


@pytest.mark.parametrize(
    ("name", "expected"), [("sale.yaml", "did you mean 'sales'?"), ("sales.yml", "a suite is named <source>.yaml")]
)
def test_a_suite_without_a_source_is_a_mistake(shop: Path, name: str, expected: str) -> None:
    """Rules in a file that nothing reads would seem to be checked."""
    (shop / "expectations" / name).write_text("expectations: []\n", encoding="utf-8")

    [sentence] = stray_suites(load_pipeline("shop"))

    assert f"expectations/{name}: " in sentence
    assert expected in sentence


def test_a_suite_with_the_wrong_ending_is_a_mistake_of_the_ending(shop: Path) -> None:
    """Only the file's ending is wrong, so the sentence is about the ending."""
    (shop / "expectations" / "sales.yml").write_text("expectations: []\n", encoding="utf-8")

    [sentence] = stray_suites(load_pipeline("shop"))

    assert "there is no source 'sales'" not in sentence


def test_the_suites_of_the_sources_and_of_the_features_are_not_stray(shop: Path) -> None:
    """Each source may have a suite, and so may the feature table."""
    (shop / "expectations" / "features.yaml").write_text("expectations: []\n", encoding="utf-8")

    assert stray_suites(load_pipeline("shop")) == []
