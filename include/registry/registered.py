"""The champions and holds of all pipelines, in one question to MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.registry.champion import CHAMPION
from include.registry.client import mlflow_client, without_retries
from include.registry.promotion import HOLD, parse_hold

if TYPE_CHECKING:
    from include.registry.promotion import Hold

#: Registered models that MLflow returns at once.
PAGE = 1000


@dataclass(frozen=True)
class RegisteredModel:
    """The version that the alias `champion` names, and the hold on automatic promotion; None for none."""

    champion: int | None = None
    hold: Hold | None = None


def registered_models() -> dict[str, RegisteredModel]:
    """Return every registered model by its name, which is its pipeline's.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer at the first attempt; whoever waits for a page does not wait for repetitions.
    """
    found = {}
    with mlflow_client("listing the registered models") as client, without_retries():
        token = None
        while True:
            models = client.search_registered_models(max_results=PAGE, page_token=token)
            for model in models:
                number = model.aliases.get(CHAMPION)
                champion = None if number is None else int(number)
                found[model.name] = RegisteredModel(champion, parse_hold(model.tags.get(HOLD)))
            token = models.token
            if not token:
                return found
