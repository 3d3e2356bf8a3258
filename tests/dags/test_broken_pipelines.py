"""A folder whose DAGs cannot be built leaves other pipelines alone, and the UI shows its mistakes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests import factories
from tests.dags.test_parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.config.pipeline import Pipeline

KINDS = ("ingest", "maintain", "monitor", "promote", "quarantine", "retrain", "rollback", "score")

#: Texts of pipeline.yaml, each with what its DAGs tell.
TEXTS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "expected fields such as `description:`"),
    "a_list": ("- a\n- b\n", "expected fields such as `description:`"),
    "malformed": ("owner: shop: team\n", "not valid YAML"),
    "a_tab": ("schedule:\n\tingest: null\n", "a tab indents the line"),
    "twice": (factories.SHOP_YAML + "owner: other\n", "this field is written twice"),
    "two_documents": (factories.SHOP_YAML + "---\n" + factories.SHOP_YAML, "a second document begins here"),
    "alias_of_itself": ("owner: &o [*o]\n", "is inside the value that it repeats"),
    "aliases_of_aliases": (
        "\n".join(["l0: &l0 [x]", *(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))]),
        "counting those of aliases",
    ),
    "nested": ("[" * 100_000, "levels are nested"),
    "huge": ("# " + "x" * 3_000_000, "has more than 1,000,000 bytes"),
    "many_mistakes": ("".join(f"field_{n}: 1\n" for n in range(5_000)), "more mistakes are not listed"),
    "latin_1": ("owner: Café\n".encode("latin-1"), "the byte 0xe9 is not UTF-8"),
    "utf_16": (factories.SHOP_YAML.encode("utf-16"), "is not UTF-8"),
    "zero_bytes": (b"\0" * 100, "not valid YAML"),
    "zero_byte_in_text": (factories.SHOP_YAML.replace("shop-team", '"a\\0b"'), "the text has a zero byte"),
    "code": ("owner: !!python/object/apply:os.system [ls]\n", "has no meaning here"),
    "long_owner": (factories.SHOP_YAML.replace("shop-team", "o" * 5_000), "at most 500 characters"),
    "no_cron": (factories.SHOP_YAML + "schedule: {ingest: every night}\n", "is not a cron expression"),
    "no_such_day": (factories.SHOP_YAML + "schedule: {ingest: 0 0 30 2 *}\n", "a day that no month has"),
    "a_time_zone": (factories.SHOP_YAML + "schedule: {score: CRON_TZ=Mars 0 0 * * *}\n", "is not a cron expression"),
    "source_like_a_task": (
        factories.SHOP_YAML.replace("  sales:", "  maintain_files:"),
        "a task of the DAGs has this name",
    ),
    "too_many_sources": (
        factories.SHOP_YAML.replace("sources:\n", "sources: &sources\n")
        .replace("  sales:\n", "  sales: &sales\n")
        .replace("features:\n", "".join(f"  s{n}: *sales\n" for n in range(5_000)) + "features:\n", 1),
        "at most 500 items",
    ),
    "query_of_a_long_name": (factories.SHOP_YAML.replace("sql/sales.sql", "q" * 300), "there is no file 'qqq"),
    "history_beyond_the_calendar": (factories.SHOP_YAML.replace("120", "9" * 24), "less than or equal to 36500"),
    "too_long_to_wait": (factories.SHOP_YAML + "approval: {hours: 1.0e+300}\n", "less than or equal to 8760"),
}


def _long_name(pipelines: Path) -> None:
    factories.write_shop(pipelines, "l" * 101)


def _longer_name(pipelines: Path) -> None:
    factories.write_shop(pipelines, "m" * 250)


def _odd_name(pipelines: Path) -> None:
    factories.write_shop(pipelines, "My Shöp: 100%")


def _name_of_bytes(pipelines: Path) -> None:
    factories.write_shop(pipelines, os.fsdecode(b"caf\xe9"))


def _same_name_by_case(pipelines: Path) -> None:
    factories.write_shop(pipelines, "Shop")


def _link_to_nowhere(pipelines: Path) -> None:
    (pipelines / "link_to_nowhere").symlink_to(pipelines / "nowhere")


def _link_to_itself(pipelines: Path) -> None:
    (pipelines / "link_to_itself").symlink_to(pipelines / "link_to_itself")


def _file_to_nowhere(pipelines: Path) -> None:
    (pipelines / "file_to_nowhere").mkdir()
    (pipelines / "file_to_nowhere" / "pipeline.yaml").symlink_to(pipelines / "nowhere")


def _folder_for_a_file(pipelines: Path) -> None:
    (pipelines / "folder_for_a_file" / "pipeline.yaml").mkdir(parents=True)


def _pipe_for_a_file(pipelines: Path) -> None:
    (pipelines / "pipe_for_a_file").mkdir()
    os.mkfifo(pipelines / "pipe_for_a_file" / "pipeline.yaml")


def _endless_device(pipelines: Path) -> None:
    (pipelines / "endless_device").mkdir()
    (pipelines / "endless_device" / "pipeline.yaml").symlink_to("/dev/zero")


def _name_with_a_line_break(pipelines: Path) -> None:
    factories.write_shop(pipelines, "two\nlines")


def _other_ending(pipelines: Path) -> None:
    folder = factories.write_shop(pipelines, "other_ending")
    (folder / "pipeline.yaml").rename(folder / "pipeline.yml")


def _no_query(pipelines: Path) -> None:
    (factories.write_shop(pipelines, "no_query") / "features.sql").unlink()


def _not_to_be_read(pipelines: Path) -> None:
    factories.write_shop(pipelines, "not_to_be_read").chmod(0)


#: Folders that are broken in another way, by how their DAGs' ids begin, each with what its DAGs tell.
FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "l" * 100 + "-": (_long_name, "at most 100"),
    "m" * 100 + "-": (_longer_name, "at most 100"),
    "My_Sh_p__100_-": (_odd_name, "use lower case letters"),
    "caf_-": (_name_of_bytes, "use lower case letters"),
    "Shop": (_same_name_by_case, "use lower case letters"),
    "link_to_nowhere": (_link_to_nowhere, "cannot be read"),
    "link_to_itself": (_link_to_itself, "cannot be read"),
    "file_to_nowhere": (_file_to_nowhere, "cannot be read"),
    "folder_for_a_file": (_folder_for_a_file, "this is not a file"),
    "pipe_for_a_file": (_pipe_for_a_file, "this is not a file"),
    "endless_device": (_endless_device, "this is not a file"),
    "two_lines-": (_name_with_a_line_break, "use lower case letters"),
    "other_ending": (_other_ending, "rename pipeline.yml to pipeline.yaml"),
    "no_query": (_no_query, "there is no file 'features.sql'"),
}
if os.geteuid():  # root may read everything
    FOLDERS["not_to_be_read"] = (_not_to_be_read, "cannot be read")


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Parse the DAG files once, with one healthy pipeline among all the broken ones."""
    home = tmp_path_factory.mktemp("broken")
    pipelines = home / "pipelines"
    factories.write_shop(pipelines)
    for name, (text, _) in TEXTS.items():
        folder = factories.write_shop(pipelines, name)
        (folder / "pipeline.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for make, _ in FOLDERS.values():
        make(pipelines)
    return parse(home, NIGHTSHIFT_PIPELINES=str(pipelines))


def test_the_healthy_pipeline_has_all_of_its_dags(parsed: dict) -> None:
    """Each DAG file is read to its end, whatever folders are next to the healthy one."""
    assert parsed["errors"] == {}
    for kind in KINDS:
        assert "report_mistakes" not in parsed["dags"][f"shop.{kind}"]["tasks"]


@pytest.mark.parametrize("name", [*TEXTS, *FOLDERS])
def test_a_broken_pipeline_has_dags_that_name_the_fault(parsed: dict, name: str) -> None:
    """Every kind of DAG exists with one task that fails with the mistake, and its documentation shows the mistake."""
    _, told = TEXTS[name] if name in TEXTS else FOLDERS[name]
    found = {dag_id: dag for dag_id, dag in parsed["dags"].items() if _is_of(dag_id.rpartition(".")[0], name)}

    assert {dag_id.rpartition(".")[2] for dag_id in found} == set(KINDS)
    for dag in found.values():
        assert dag["tasks"] == ["report_mistakes"]
        assert told in dag["doc"]


@pytest.mark.parametrize("error", [RecursionError("too deep"), SyntaxError("own check"), ImportError("no module")])
def test_a_dag_shows_any_error_of_its_own_construction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """An unexpected error does not remove the DAGs of other pipelines either."""
    from airflow.sdk import DAG

    from dags.pipelines import for_each_pipeline

    for name in ("a_broken", "healthy"):
        factories.write_shop(tmp_path, name)
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path))

    def make(name: str, pipeline: Pipeline) -> DAG:
        if name == "a_broken":
            raise error
        return DAG(dag_id=f"{name}.ingest", schedule=None)

    broken, healthy = for_each_pipeline("ingest", make)

    assert [broken.dag_id, healthy.dag_id] == ["a_broken.ingest", "healthy.ingest"]
    assert broken.task_ids == ["report_mistakes"]
    assert f"{type(error).__name__}: {error}" in str(broken.doc_md)


def _is_of(pipeline: str, name: str) -> bool:
    """Return whether a DAG belongs to a folder; an invalid name is followed by a digest."""
    return pipeline.startswith(name) if name.endswith("-") else pipeline == name
