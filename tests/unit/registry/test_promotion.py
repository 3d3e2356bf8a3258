"""A person promotes, rolls back and holds; a model with changed files never becomes the champion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

from include.core.errors import ModelRefused, PublishConflict
from include.registry import lease, promotion
from include.registry.champion import aliases, find_champion
from include.registry.lease import champion_lease
from include.registry.load_model import load_champion

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from tests.unit.registry.conftest import Shop

ADA = {"reason": "late flights were missed", "by": "ada"}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def versions(shop_model: Shop) -> Shop:
    """Register three versions, each champion after the other."""
    for number in range(1, 4):
        shop_model.register(f"night-{number}", expected_champion=number - 1 or None)
    return shop_model


def _break(home: Path, client: MlflowClient, name: str, version: int) -> None:
    model_id = client.get_model_version(name, str(version)).source.rpartition("/")[2]
    (path,) = (home / "mlflow" / "artifacts").glob(f"**/{model_id}/artifacts/model.skops")
    path.write_bytes(path.read_bytes()[::-1])


def test_a_promoted_version_is_the_champion_whatever_its_verdict(shop_model: Shop, client: MlflowClient) -> None:
    """A kept-out challenger becomes champion, and no challenger is left."""
    shop_model.register("night-1")
    shop_model.register("night-2", promote=False, expected_champion=1)

    change = promotion.promote(shop_model.name, 2, **ADA)

    assert (change.before, change.after, change.hold) == (1, 2, None)
    assert aliases(client, shop_model.name) == {"champion": "2"}


def test_a_promotion_leaves_a_newer_challenger(shop_model: Shop, client: MlflowClient) -> None:
    """A challenger that is newer than the promoted version stays one."""
    shop_model.register("night-1", promote=False)
    shop_model.register("night-2", promote=False)

    promotion.promote(shop_model.name, 1, **ADA)

    assert aliases(client, shop_model.name) == {"champion": "1", "challenger": "2"}


def test_a_version_that_does_not_exist_cannot_be_promoted(versions: Shop) -> None:
    """Version 99 was accepted, and somebody was asked for twelve hours to approve it."""
    with pytest.raises(ModelRefused, match=r"has no version 99 in MLflow; there are 1, 2, 3$"):
        promotion.check_promotable(versions.name, 99)


def test_the_champion_cannot_be_promoted(versions: Shop) -> None:
    """Nobody is asked for what is so already."""
    with pytest.raises(ModelRefused, match=r"version 3 is the champion already; nothing was changed$"):
        promotion.check_promotable(versions.name, 3)


def test_a_version_without_evidence_cannot_be_promoted(versions: Shop, client: MlflowClient, mlflow_home: Path) -> None:
    """Nobody can judge a model whose numbers are gone."""
    run = client.get_model_version(versions.name, "1").run_id
    for path in (mlflow_home / "mlflow" / "artifacts").glob(f"**/{run}/artifacts/evidence.json"):
        path.unlink()

    with pytest.raises(ModelRefused, match="the evidence of version 1 is not in MLflow, so nobody can judge it"):
        promotion.check_promotable(versions.name, 1)


def test_a_version_with_changed_files_cannot_be_promoted(
    versions: Shop, client: MlflowClient, mlflow_home: Path
) -> None:
    """The files are verified before anybody is asked, as they are again afterwards."""
    _break(mlflow_home, client, versions.name, 1)

    with pytest.raises(ModelRefused, match="the file was changed"):
        promotion.check_promotable(versions.name, 1)


def test_an_earlier_version_can_be_promoted(versions: Shop, client: MlflowClient) -> None:
    """The check changes nothing."""
    promotion.check_promotable(versions.name, 2)

    assert aliases(client, versions.name)["champion"] == "3"


def test_a_promotion_twice_is_one(versions: Shop, client: MlflowClient) -> None:
    """The second call finds the version promoted, and still knows the champion before it."""
    promotion.promote(versions.name, 1, **ADA)

    again = promotion.promote(versions.name, 1, **ADA)

    assert (again.before, again.after) == (1, 1)
    assert promotion.rollback(versions.name, **ADA).after == 3


def test_a_rollback_goes_to_the_champion_before_and_holds(versions: Shop, client: MlflowClient) -> None:
    """The earlier champion is back, and the hold names the person, the reason and the time."""
    change = promotion.rollback(versions.name, **ADA)

    assert (change.before, change.after) == (3, 2)
    assert aliases(client, versions.name)["champion"] == "2"
    held = promotion.held(versions.name)
    assert held == change.hold
    assert held is not None
    assert (held.by, held.reason) == ("ada", "late flights were missed")


def test_a_rollback_to_a_version_goes_there(versions: Shop, client: MlflowClient) -> None:
    """Any registered version can be the target, by its number."""
    change = promotion.rollback(versions.name, 1, **ADA)

    assert (change.before, change.after) == (3, 1)
    assert aliases(client, versions.name)["champion"] == "1"


def test_rollbacks_in_a_row_go_further_back(versions: Shop) -> None:
    """Once the first one is released, the next one goes to the version before that, and not to the bad one."""
    promotion.rollback(versions.name, **ADA)
    promotion.release(versions.name, by="ada")

    assert promotion.rollback(versions.name, **ADA).after == 1


def test_a_repeated_rollback_does_not_go_back_twice(versions: Shop) -> None:
    """While its hold is in force, a roll-back without a version is completed, not repeated."""
    first = promotion.rollback(versions.name, **ADA)

    assert promotion.rollback(versions.name, **ADA) == first


@pytest.mark.parametrize(
    "dies_at", ["set_registered_model_tag", "set_registered_model_alias", "delete_registered_model_alias"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_rollback_is_finished_by_the_next(
    dies_at: str, when: str, versions: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was killed, the champion loads, and a second roll-back ends at the earlier champion."""
    versions.register("night-4", promote=False, expected_champion=3)
    client.set_registered_model_alias(versions.name, "challenger", "1")  # so that there is one to take away
    with monkeypatch.context() as patch:
        original = getattr(mlflow.MlflowClient, dies_at)

        def die(*args: Any, **kwargs: Any) -> None:
            if when == "after":
                original(*args, **kwargs)
            raise Killed

        patch.setattr(mlflow.MlflowClient, dies_at, die)
        with pytest.raises(Killed):
            promotion.rollback(versions.name, **ADA)
    between = find_champion(versions.name)
    assert between is not None
    load_champion(between)
    held = promotion.held(versions.name)
    assert held is not None or between.version == 3  # no champion that went back without a hold

    promotion.rollback(versions.name, **ADA)

    champion = find_champion(versions.name)
    assert champion is not None
    assert champion.version == 2
    assert promotion.held(versions.name) is not None


def test_a_rollback_without_a_version_before_asks_for_one(shop_model: Shop) -> None:
    """The first champion has none before it."""
    shop_model.register("night-1")

    with pytest.raises(ModelRefused, match=r"no version is known .* before version 1; .*--version$"):
        promotion.rollback(shop_model.name, **ADA)


def test_a_rollback_without_a_champion_is_refused(shop_model: Shop) -> None:
    """There is nothing to go back from."""
    shop_model.register("night-1", promote=False)

    with pytest.raises(ModelRefused, match="has no champion, so there is nothing to roll back"):
        promotion.rollback(shop_model.name, **ADA)


def test_the_error_of_an_unknown_version_lists_the_known_ones(versions: Shop) -> None:
    """The sentence lists the versions."""
    with pytest.raises(ModelRefused, match="has no version 7 in MLflow; there are 1, 2, 3"):
        promotion.promote(versions.name, 7, **ADA)


@pytest.mark.parametrize("decide", [promotion.promote, promotion.rollback])
def test_a_version_whose_files_were_changed_never_becomes_champion(
    decide: Any, versions: Shop, client: MlflowClient, mlflow_home: Path
) -> None:
    """It is verified and loaded before the alias moves; no hold is set either."""
    _break(mlflow_home, client, versions.name, 2)

    with pytest.raises(ModelRefused, match="the file was changed"):
        decide(versions.name, 2, **ADA)

    assert aliases(client, versions.name) == {"champion": "3"}
    assert promotion.held(versions.name) is None


def test_a_champion_that_changed_meanwhile_is_not_replaced(
    versions: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare and set: the champion that the person saw must still be the champion."""
    load = promotion.load_champion

    def overtaken(*args: Any) -> Any:
        client.set_registered_model_alias(versions.name, "champion", "2")
        return load(*args)

    monkeypatch.setattr(promotion, "load_champion", overtaken)

    with pytest.raises(PublishConflict, match=r"version 2 has become the champion .* in place of version 3; nothing"):
        promotion.promote(versions.name, 1, **ADA)

    assert aliases(client, versions.name) == {"champion": "2"}


def test_a_hold_stops_runs_and_says_so(shop_model: Shop, client: MlflowClient) -> None:
    """A run that would promote registers a challenger, and its note names the hold and the release command."""
    shop_model.register("night-1")
    held = promotion.hold(shop_model.name, **ADA).hold
    assert held is not None

    kept = shop_model.register("night-2", expected_champion=1)

    assert (kept.version, kept.alias) == (2, "challenger")
    assert kept.note == (
        f"not promoted: held by ada since {held.at}: late flights were missed; release it with ./nightshift release "
        f"{shop_model.name}"
    )
    assert aliases(client, shop_model.name) == {"champion": "1", "challenger": "2"}


def test_a_run_after_the_release_promotes_again(shop_model: Shop, client: MlflowClient) -> None:
    """The release returns the hold, and a retry of the run is promoted."""
    shop_model.register("night-1")
    held = promotion.hold(shop_model.name, **ADA).hold
    shop_model.register("night-2", expected_champion=1)

    change, was = promotion.release(shop_model.name, by="bob")

    assert was == held
    assert (change.before, change.after, change.hold) == (1, 1, None)
    assert shop_model.register("night-2", expected_champion=1).alias == "champion"


def test_a_release_of_nothing_is_no_error(shop_model: Shop) -> None:
    """There was no hold, and there is none."""
    shop_model.register("night-1")

    assert promotion.release(shop_model.name, by="bob")[1] is None


def test_a_hold_before_the_first_version_is_refused(shop_model: Shop) -> None:
    """MLflow has no registered model yet that could have the tag."""
    with pytest.raises(ModelRefused, match="has no registered version in MLflow to hold"):
        promotion.hold(shop_model.name, **ADA)


def test_a_hold_that_was_written_by_hand_holds(shop_model: Shop, client: MlflowClient) -> None:
    """A tag that Nightshift did not write also stops promotion."""
    shop_model.register("night-1")
    client.set_registered_model_tag(shop_model.name, "nightshift.hold", "wait for bob")

    held = promotion.held(shop_model.name)

    assert held is not None
    assert held.reason == "wait for bob"
    assert "wait for bob" in shop_model.register("night-2", expected_champion=1).note


def test_a_long_reason_fits_the_tag(shop_model: Shop) -> None:
    """MLflow refuses long tags; the reason is shortened in the tag."""
    shop_model.register("night-1")

    held = promotion.hold(shop_model.name, reason="so many words " * 1000, by="ada").hold

    assert held is not None
    assert held == promotion.held(shop_model.name)
    assert held.reason.endswith(" …")


def test_of_two_runs_that_promote_at_once_one_wins(shop_model: Shop, client: MlflowClient) -> None:
    """Both compared to version 1; one becomes the champion, and the other's note names it."""
    shop_model.register("night-1")

    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda key: shop_model.register(key, expected_champion=1), ["night-2", "night-3"]))

    (winner,) = (each for each in both if each.alias == "champion")
    (loser,) = (each for each in both if each.alias != "champion")
    assert aliases(client, shop_model.name)["champion"] == str(winner.version)
    assert loser.note == (
        f"not promoted: version {winner.version} has become the champion since this run compared to version 1; "
        "start a new run"
    )
    assert {each.version for each in both} == {2, 3}


def test_two_attempts_of_one_run_at_once_are_one_version(shop_model: Shop, client: MlflowClient) -> None:
    """Airflow may run a task twice at the same time: one run, one version, one model, and one answer."""
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: shop_model.register("night-1"), range(2))

    assert first == second
    experiment = client.get_experiment_by_name(shop_model.name)
    assert len(client.search_runs([experiment.experiment_id])) == 1
    assert len(client.search_model_versions(f"name = '{shop_model.name}'")) == 1
    assert len(client.search_logged_models([experiment.experiment_id])) == 1
    champion = find_champion(shop_model.name)
    assert champion is not None
    load_champion(champion)


def test_a_run_that_lost_its_lease_does_not_move_the_alias(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose lease expired finds the newer token just before the write, and fails with a retryable error."""
    shop_model.register("night-1")
    tag = mlflow.MlflowClient.set_model_version_tag
    monkeypatch.setattr(lease, "_is_free", lambda held: True)  # as if it had expired

    def sleeps(*args: Any, **kwargs: Any) -> None:
        with champion_lease(shop_model.name, "another"):
            tag(*args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, "set_model_version_tag", sleeps)

    with pytest.raises(PublishConflict, match=r"the lease of 'night-2' on the champion of .* ran out") as refused:
        shop_model.register("night-2", expected_champion=1)

    assert refused.value.retryable
    assert aliases(client, shop_model.name) == {"champion": "1"}


def test_an_alias_that_is_moved_by_hand_at_the_same_moment_is_an_error(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In MLflow the last writer wins; the move is read back, so the wrong version is not reported as champion."""
    shop_model.register("night-1")
    move = mlflow.MlflowClient.set_registered_model_alias

    def overwritten(self: MlflowClient, name: str, alias: str, version: str) -> None:
        move(self, name, alias, version)
        move(self, name, alias, "1")

    monkeypatch.setattr(mlflow.MlflowClient, "set_registered_model_alias", overwritten)

    with pytest.raises(PublishConflict, match="which now names version 1: somebody moved the alias by hand"):
        shop_model.register("night-2", expected_champion=1)
