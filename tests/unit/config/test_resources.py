"""`resources` requests resources for each task, and every mistake in it is a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.config.loader import read_pipeline
from include.config.resources import Ask
from tests.factories import SHOP_YAML, write_shop

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.resources import Resources


def resources(folder: Path, section: str) -> Resources:
    """Return the section of a shop whose pipeline.yaml has it without a mistake."""
    pipeline, mistakes = read_pipeline(write_shop(folder, pipeline=f"{SHOP_YAML}resources: {section}\n"))
    assert mistakes == []
    assert pipeline is not None
    assert pipeline.resources is not None
    return pipeline.resources


def test_nothing_is_requested_by_default(tmp_path: Path) -> None:
    """Without the section, the pods' template decides."""
    pipeline, _ = read_pipeline(write_shop(tmp_path))

    assert pipeline is not None
    assert pipeline.resources is None


def test_a_task_that_is_not_named_requests_the_default(tmp_path: Path) -> None:
    """A named task requests its own fields, and the default for omitted ones."""
    section = resources(
        tmp_path,
        "{default: {cpu: 1, memory: 2Gi}, tasks: {tune_candidates: {cpu: 4, gpu: 1}, sales.extract: {memory: 512Mi}}}",
    )

    assert section.of("plan_run") == Ask(cpu=1, memory="2Gi", gpu=0)
    assert section.of("tune_candidates") == Ask(cpu=4, memory="2Gi", gpu=1)
    assert section.of("sales.extract") == Ask(cpu=1, memory="512Mi", gpu=0)


def test_a_task_may_decline_the_gpu_of_the_default(tmp_path: Path) -> None:
    """A zero is a value, not an omitted field."""
    section = resources(tmp_path, "{default: {cpu: 1, memory: 2Gi, gpu: 1}, tasks: {plan_run: {gpu: 0}}}")

    assert section.of("plan_run") == Ask(cpu=1, memory="2Gi", gpu=0)


def test_without_a_default_only_named_tasks_request(tmp_path: Path) -> None:
    """The pods' template decides for the others."""
    section = resources(tmp_path, "{tasks: {train_challenger: {cpu: 2, memory: 8Gi}}}")

    assert section.of("train_challenger") == Ask(cpu=2, memory="8Gi", gpu=0)
    assert section.of("plan_run") is None


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("{default: {cpu: 500m, memory: 1Gi}}", "resources.default.cpu: a number of cores is expected, such as 0.5 or"),
        ("{default: {cpu: 0, memory: 1Gi}}", "resources.default.cpu: a number of cores is expected"),
        ("{default: {cpu: .nan, memory: 1Gi}}", "found '.nan'"),
        ("{default: {cpu: .inf, memory: 1Gi}}", "found '.inf'"),
        ("{default: {cpu: true, memory: 1Gi}}", "found true"),
        ("{default: {cpu: 1, memory: 8}}", "resources.default.memory: a whole number of Mi or Gi is expected, such as"),
        ("{default: {cpu: 1, memory: 8GB}}", "found '8GB'"),
        ("{default: {cpu: 1, memory: 0Gi}}", "found '0Gi'"),
        ("{default: {cpu: 1, memory: 1Gi, gpu: 0.5}}", "resources.default.gpu: a whole number of GPUs is expected"),
        ("{default: {cpu: 1, memory: 1Gi, gpu: -1}}", "found -1"),
        ("{default: {cpu: 1}}", "resources.default.memory: this field is required and missing"),
        ("{default: {cpu: 1, memory: 1Gi, gpus: 1}}", "there is no field 'gpus'; did you mean 'gpu'?"),
        ("{cpu: 1, memory: 1Gi}", "there is no field 'cpu' (known: 'default', 'tasks')"),
        ("{tasks: {plan_run: {memory: 1Gi}}}", "resources: tasks.plan_run has no cpu; give it there, or for all tasks"),
        ("{tasks: {tune: {cpu: 1, memory: 1Gi}}}", "resources.tasks: there is no task 'tune'"),
        ("{tasks: {tune_candidate: {cpu: 1, memory: 1Gi}}}", "did you mean 'tune_candidates'?"),
        ("{tasks: {extract: {cpu: 1, memory: 1Gi}}}", "did you mean 'sales.extract'?"),
        ("{tasks: {stores.extract: {cpu: 1, memory: 1Gi}}}", "there is no task 'stores.extract'"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, section: str, sentence: str) -> None:
    """The sentence names the place and what was expected."""
    mistakes = read_pipeline(write_shop(tmp_path, pipeline=f"{SHOP_YAML}resources: {section}\n"))[1]

    assert [each for each in mistakes if sentence in each], mistakes
