"""What a run came to: scores before and after, what may honestly be said about them, and the JSON form. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flan.v1.evaluator_service_pb2 import DatasetResult
from flan_cli.errors import ServiceFailedError
from flan_shared.holdout import CLUSTERS

PROPORTIONS = frozenset({"accuracy", "exact_match"})
"""Metrics that are a mean of right (1) and wrong (0), so that n alone gives their sampling noise."""

_Z_95 = 1.959964
"""The 97.5 % point of the normal distribution."""

RULE = (
    "an effect is seen where the mean change over the datasets exceeds its 95 % interval: binomial errors of the n "
    "examples, those of before and after added, because both are scores of the same examples"
)


@dataclass(frozen=True)
class Score:
    """One metric of one held-out dataset; values 0 to 100.

    Attributes:
      n: examples scored after tuning, `n_before` those before it.
      num_unscored: examples that could not be scored after tuning, `num_unscored_before` those before it.
      before: None where no example could be scored.
      after: as `before`.
      chance: None where there are no options.
    """

    dataset: str
    cluster: str
    metric: str
    main: bool
    n_before: int
    n: int
    num_unscored_before: int
    num_unscored: int
    before: float | None
    after: float | None
    chance: float | None

    @property
    def change(self) -> float | None:
        """In points; None where either side could not be scored."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Result:
    """How the trainer ended, from its result file."""

    run: str
    final_digest: str
    seconds: float
    steps: int
    windows: int
    """Windows of which a batch was trained on; what later ones set aside is in no count."""
    loss_first: float
    loss_last: float
    accounting: Mapping[str, int]

    @classmethod
    def load(cls, path: Path) -> "Result":
        """Reads the file that the trainer leaves.

        Raises:
          ServiceFailedError: there is none, it cannot be understood, or draws are not accounted for.
        """
        try:
            data = json.loads(path.read_text())
            result = cls(**{name: data[name] for name in cls.__dataclass_fields__})
            drawn, *parts = (
                result.accounting[name] for name in ("drawn", "trained", "dropped", "quarantined")
            )
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ServiceFailedError(
                f"the trainer ended without a result in {path}: {type(err).__name__} {err}"
            ) from err
        if drawn != sum(parts):
            raise ServiceFailedError(
                f"{drawn:,} examples were drawn, but {sum(parts):,} are accounted for; rows were lost"
            )
        return result

    def to_json(self, scores: Sequence[Score]) -> dict[str, Any]:
        """The form that `--json` writes."""
        keys = ("dataset", "cluster", "metric", "n", "before", "after", "chance")
        return {
            "run": self.run,
            "final_digest": self.final_digest,
            "seconds": self.seconds,
            "steps": self.steps,
            "loss_first": self.loss_first,
            "loss_last": self.loss_last,
            "heldout": [{key: getattr(score, key) for key in keys} for score in scores],
            "accounting": dict(self.accounting),
        }


def pair_scores(
    before: Sequence[DatasetResult], after: Sequence[DatasetResult], datasets: Sequence[str]
) -> list[Score]:
    """Every metric of `datasets` at two checkpoints, by cluster, in the order of `datasets`, main metric first.

    Raises:
      ServiceFailedError: a dataset has no result, or not the same metrics at both.
    """
    first = {(each.dataset, each.metric): each for each in before}
    last = {(each.dataset, each.metric): each for each in after}
    for dataset in datasets:
        names = [
            {metric for name, metric in results if name == dataset and results[name, metric].main}
            for results in (first, last)
        ]
        if not names[0] or names[0] != names[1]:
            raise ServiceFailedError(f"the evaluator gave no result for held-out dataset {dataset!r}")
    scores = [
        Score(
            dataset=each.dataset,
            cluster=each.cluster,
            metric=each.metric,
            main=each.main,
            n_before=first[key].n,
            n=each.n,
            num_unscored_before=first[key].num_unscored,
            num_unscored=each.num_unscored,
            before=_value(first[key]),
            after=_value(each),
            chance=each.chance if each.HasField("chance") else None,
        )
        for key, each in last.items()
        if key in first and each.dataset in datasets
    ]
    order = list(datasets)
    return sorted(
        scores,
        key=lambda each: (
            CLUSTERS.index(each.cluster),
            order.index(each.dataset),
            not each.main,
            each.metric,
        ),
    )


def _value(result: DatasetResult) -> float | None:
    # The contract has no absent value: a mean over no example is sent as 0.
    return result.value if result.n else None


@dataclass(frozen=True)
class Verdict:
    """Means over datasets, each counted once, of proportions only.

    Attributes:
      num_datasets: that have a proportion.
      before: mean.
      after: mean.
      noise: half the 95 % interval of the change, in points.
      chance: mean, and half the 95 % interval of `after` itself; None where a dataset has no options.
    """

    num_datasets: int
    before: float
    after: float
    noise: float
    chance: tuple[float, float] | None

    @property
    def sentence(self) -> str:
        """For people: what was seen, and no more."""
        change = self.after - self.before
        datasets = f"{self.num_datasets} dataset{'' if self.num_datasets == 1 else 's'}"
        figures = (
            f"mean over {datasets} {self.before:.1f} -> {self.after:.1f}, "
            f"change {change:+.1f} ± {self.noise:.1f}"
        )
        if abs(change) <= self.noise:
            return f"no effect seen: {figures}"
        seen = "tuning helped" if change > 0 else "tuning hurt"
        if change > 0 and self.chance is not None and self.after - self.chance[0] <= self.chance[1]:
            return f"{seen}, but not beyond chance ({self.chance[0]:.1f} ± {self.chance[1]:.1f}): {figures}"
        return f"{seen}: {figures}"


def judge(scores: Sequence[Score]) -> Verdict | None:
    """The verdict on a run; None where no dataset has a proportion that was scored before and after.

    Each dataset counts once, with its main metric where that is a proportion, else with its first one.
    """
    proportions: dict[str, Score] = {}
    for score in scores:
        if score.metric in PROPORTIONS and score.change is not None:
            proportions.setdefault(score.dataset, score)
    if not proportions:
        return None
    taken = list(proportions.values())
    count = len(taken)

    before = [(score.before, score.n_before) for score in taken]
    after = [(score.after, score.n) for score in taken]
    has_chance = all(score.chance is not None for score in taken)
    chance = sum(score.chance or 0 for score in taken) / count
    return Verdict(
        num_datasets=count,
        before=sum(value for value, _ in before) / count,
        after=sum(value for value, _ in after) / count,
        # Added, not as the root of squares: a model that always answers "yes" and later always "no" is right on
        # exactly the other examples, and its change is twice the error of either score.
        noise=_half_interval(before) + _half_interval(after),
        chance=(chance, _half_interval(after)) if has_chance else None,
    )


def _half_interval(scores: Sequence[tuple[float, int]]) -> float:
    """Of the mean of scores, each given with its n."""
    return _Z_95 * math.sqrt(sum(_variance(value, n) for value, n in scores)) / len(scores)


def _variance(value: float, n: int) -> float:
    # Agresti and Coull's two successes and two failures more: 0 of 20 right is not known without error.
    share = (value / 100 * n + 2) / (n + 4)
    return 100**2 * share * (1 - share) / (n + 4)
