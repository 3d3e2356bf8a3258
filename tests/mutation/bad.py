"""Planted bad challengers: each has one fault, and the gate must not promote it."""

from __future__ import annotations

import pickle
import time
import zipfile
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from include.evaluation.label_coverage import measure_label_coverage
from include.evaluation.refits import Refits
from include.evaluation.search import CandidateTried, SearchProgress
from tests.mutation.world import FEATURES, Judged, World

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


class Wrapped:
    """A model whose probabilities are changed on their way."""

    classes_ = np.array([0, 1])

    def __init__(self, model: Any, change: Callable[[np.ndarray, pd.DataFrame], np.ndarray], also: str = "") -> None:
        self.model, self.change = model, change
        self.feature_names_in_ = np.array([*FEATURES, *([also] if also else [])])

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the changed probabilities."""
        p = self.change(self.model.predict_proba(rows[FEATURES])[:, 1].copy(), rows)
        return np.column_stack([1 - p, p])


def _changed(world: World, change: Callable[[np.ndarray, pd.DataFrame], np.ndarray], also: str = "") -> Judged:
    return replace(world.good, model=Wrapped(world.good.model, change, also))


def _relabelled(world: World, label: np.ndarray) -> Judged:
    return world.challenger(world.fit(world.learned.assign(late=label)))


def shuffled_labels(world: World) -> Judged:
    """Learned from labels in any order."""
    return _relabelled(world, np.random.default_rng(world.seed).permutation(world.learned["late"]))


def inverted_labels(world: World) -> Judged:
    """Learned the opposite."""
    return _relabelled(world, 1 - world.learned["late"].to_numpy())


def label_as_a_feature(world: World) -> Judged:
    """A feature is the label in other words, before the holdout and in it."""
    learned, held = (rows.assign(load=10 + rows["late"] * 5) for rows in (world.learned, world.held))
    return replace(world.challenger(world.fit(learned)), frame=held)


def noisy_label_as_a_feature(world: World) -> Judged:
    """A feature is the label but for some noise, so that no single value tells it."""
    draw = np.random.default_rng(world.seed)
    learned, held = (
        rows.assign(load=rows["late"] + draw.normal(0, 0.35, len(rows))) for rows in (world.learned, world.held)
    )
    return replace(world.challenger(world.fit(learned)), frame=held)


def learned_the_holdout_and_says_so(world: World) -> Judged:
    """Learned from the rows that judge it."""
    rows = world.rows
    return world.challenger(world.fit(rows), train_end=rows["prediction_time"].max().date())


def learned_the_holdout_by_heart(world: World) -> Judged:
    """Learned from the rows that judge it, and says that it has not."""
    params = {"num_leaves": 255, "min_child_samples": 3, "n_estimators": 400, "learning_rate": 0.2, "reg_lambda": 1e-3}
    return world.challenger(world.fit(world.held, **params))


def one_store_ruined(world: World) -> Judged:
    """As good as before but for one store, of which it says the opposite."""
    return _changed(world, lambda p, rows: np.where(rows["store"] == "west", 1 - p, p))


def better_but_for_one_store(world: World) -> Judged:
    """Better in all, since it knows more of the other stores, and guesses on one."""
    draw = np.random.default_rng(world.seed)

    def change(p: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        helped = 0.6 * p + 0.4 * np.where(rows["late"] == 1, 0.62, 0.38) if "late" in rows else p
        return np.where(rows["store"] == "west", draw.permutation(p), helped)

    return _changed(world, change, also="late")


def nan_for_some_rows(world: World) -> Judged:
    """Has no prediction for one row in a thousand."""
    return _changed(world, lambda p, rows: np.where(np.arange(len(p)) % 1000 == 7, np.nan, p))


def infinite_for_a_row(world: World) -> Judged:
    """Predicts infinity once."""
    return _changed(world, lambda p, rows: np.where(np.arange(len(p)) == 3, np.inf, p))


def exact_tie(world: World) -> Judged:
    """The same probabilities as the champion's, from another model."""
    return replace(world.good, model=Wrapped(world.champion, lambda p, rows: p))


def champion_itself(world: World) -> Judged:
    """The champion's own model."""
    return replace(world.good, model=world.champion)


def champion_rescaled(world: World) -> Judged:
    """The champion, its probabilities on another scale: the same order, so the same area under the curve."""
    return replace(world.good, model=Wrapped(world.champion, lambda p, rows: 0.9 * p + 0.02))


def constant(world: World) -> Judged:
    """Says the same of every row."""
    return _changed(world, lambda p, rows: np.full(len(p), world.learned["late"].mean()))


def random_numbers(world: World) -> Judged:
    """Draws lots."""
    draw = np.random.default_rng(world.seed)
    return _changed(world, lambda p, rows: draw.uniform(size=len(p)))


def over_confident(world: World) -> Judged:
    """The right order, with probabilities near 0 and 1."""
    return _changed(world, lambda p, rows: 1 / (1 + ((1 - p) / p) ** 6))


def under_stated(world: World) -> Judged:
    """The right order, with a third of the probability."""
    return _changed(world, lambda p, rows: p / 3)


def one_class_only(world: World) -> Judged:
    """Saw hardly any row that is late: all of them are on time."""
    return _changed(world, lambda p, rows: np.zeros(len(p)))


def hardly_any_rows(world: World) -> Judged:
    """Learned from a hundredth of the rows."""
    return world.challenger(world.fit(world.learned.iloc[::100], min_child_samples=3))


def unseen_category_crashes(world: World) -> Judged:
    """Raises at a store that it has not seen."""

    def change(p: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        unknown = set(rows["store"].dropna()) - set(world.learned["store"])
        if unknown:
            raise ValueError(f"found unknown categories {sorted(unknown)}")
        return p

    return _changed(world, change)


def missing_value_crashes(world: World) -> Judged:
    """Raises at a missing number."""

    def change(p: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        if rows["age"].isna().any():
            raise ValueError("Input contains NaN")
        return p

    return _changed(world, change)


def missing_value_is_nan(world: World) -> Judged:
    """Answers a missing number with none."""
    return _changed(world, lambda p, rows: np.where(rows["age"].isna(), np.nan, p))


def depends_on_the_batch(world: World) -> Judged:
    """Ranks the rows of a batch, so that a row's probability depends on its company."""
    return _changed(world, lambda p, rows: (np.argsort(np.argsort(p)) + 1) / (len(p) + 1))


def depends_on_the_order(world: World) -> Judged:
    """Smooths over neighbouring rows."""
    return _changed(world, lambda p, rows: 0.9 * p + 0.1 * np.roll(p, 1))


def slow(world: World) -> Judged:
    """Takes more than half a second for a row."""

    def change(p: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        if len(rows) < 1000:
            time.sleep(0.5)
        return p

    return _changed(world, change)


def heavy(world: World) -> Judged:
    """A file of more than it may weigh."""
    path = world.folder / "heavy.skops"
    with path.open("wb") as file:
        file.truncate(6_000_000)
    return replace(world.good, path=path)


def another_signature(world: World) -> Judged:
    """Needs a column that nobody sends."""
    held = world.held.assign(queue=1.0)
    changed = _changed(world, lambda p, rows: p + 0.0 * rows["queue"].to_numpy(), also="queue")
    return replace(changed, frame=held, features=[*FEATURES, "queue"])


def unfair(world: World) -> Judged:
    """Calls far more parcels of one region late."""
    return _changed(world, lambda p, rows: np.clip(p + np.where(rows["region"] == "outer", 0.12, -0.12), 0.001, 0.999))


def stale(world: World) -> Judged:
    """Learned from nothing newer than three months ago."""
    return world.challenger(world.good.model, train_end=date(2024, 2, 10))


def older_than_the_champion(world: World) -> Judged:
    """A run as of a day before the champion's."""
    return world.challenger(world.good.model, as_of=date(2024, 1, 31))


def lucky_seed(world: World) -> Judged:
    """Better than the champion with this seed, and worse with all others."""
    return replace(world.good, refits=Refits([1, 2, 3], [0.60, 0.62, 0.61]))


def judged_without_a_store(world: World) -> Judged:
    """Ruined on one store, of whose rows in the holdout no label is known."""
    labelled = ((world.rows["store"] != "west") | (world.rows["prediction_time"] < world.first_held)).to_numpy()
    held = (world.rows["prediction_time"] >= world.first_held).to_numpy()
    labels = measure_label_coverage(world.rows, labelled, held, ~held, ["store"], min_rows=200)
    seen = world.held[world.held["store"] != "west"].reset_index(drop=True)
    return replace(one_store_ruined(world), frame=seen, labels=labels)


def not_compared_with_a_candidate(world: World) -> Judged:
    """The best of the candidates that there was time for; one was never tried."""
    tried = [CandidateTried("lightgbm", 1, 1.2), CandidateTried("linear", 0, 0.0, note="no trial finished in time")]
    return replace(world.good, search=SearchProgress(tried, 1))


def changed_file(world: World) -> Judged:
    """A byte of its file is not what was written."""
    path, sha256 = world.write(world.good.model, "changed.skops")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return replace(world.good, path=path, sha256=sha256, in_a_clean_process=True)


def another_models_file(world: World) -> Judged:
    """Its file is a whole model, and another one."""
    path, sha256 = world.write(world.champion, "swapped.skops")
    return replace(world.good, path=path, sha256=sha256, in_a_clean_process=True)


def pickle_in_its_file(world: World) -> Judged:
    """Its file is a pickle under the model's name."""
    import hashlib

    path = world.folder / "pickle.skops"
    path.write_bytes(pickle.dumps(world.good.facts))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(world.good, path=path, sha256=digest, in_a_clean_process=True)


def foreign_type_in_its_file(world: World) -> Judged:
    """Its file is of the right form and names a type that runs commands."""
    import hashlib

    path, _ = world.write(world.good.model, "foreign.skops")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["schema.json"] = members["schema.json"].replace(b"sklearn.pipeline", b"subprocess", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(world.good, path=path, sha256=digest, in_a_clean_process=True)


#: Each with what the champion's record says, where the fault is there.
MUTANTS: list[tuple[Callable[[World], Judged], dict[str, Any]]] = [
    *(
        (mutant, {})
        for mutant in (
            shuffled_labels,
            inverted_labels,
            label_as_a_feature,
            noisy_label_as_a_feature,
            learned_the_holdout_and_says_so,
            learned_the_holdout_by_heart,
            one_store_ruined,
            better_but_for_one_store,
            nan_for_some_rows,
            infinite_for_a_row,
            exact_tie,
            champion_itself,
            champion_rescaled,
            constant,
            random_numbers,
            over_confident,
            under_stated,
            one_class_only,
            hardly_any_rows,
            unseen_category_crashes,
            missing_value_crashes,
            missing_value_is_nan,
            depends_on_the_batch,
            depends_on_the_order,
            slow,
            heavy,
            another_signature,
            unfair,
            stale,
            older_than_the_champion,
            lucky_seed,
            judged_without_a_store,
            not_compared_with_a_candidate,
            changed_file,
            another_models_file,
            pickle_in_its_file,
            foreign_type_in_its_file,
        )
    ),
]


def moved_holdout(world: World) -> Judged:
    """The holdout was moved to where the champion has learned."""
    return world.good


MUTANTS.append((moved_holdout, {"train_end": date(2024, 5, 20)}))
