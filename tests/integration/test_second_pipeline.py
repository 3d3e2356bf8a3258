"""A second model needs a second folder, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.registry.champion import find_champion

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def test_a_second_folder_is_a_second_model(retrained: Pipeline) -> None:
    """A regression on another table goes from its database to a promoted version."""
    champion = find_champion(retrained.name)

    assert champion is not None
    assert champion.version == 1
