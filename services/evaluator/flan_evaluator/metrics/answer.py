"""What metrics read and what they give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answer:
    """One example's outcome."""

    prediction: str | None
    """What the model answered; None where it gave nothing that could be judged."""
    references: tuple[str, ...]
    """All accepted answers."""
    options: tuple[str, ...] = ()
    """What could be chosen, in the dataset's own order; empty for free text."""


@dataclass(frozen=True)
class Score:
    """One metric over a dataset. With n = 0 there is no value, and `value` is 0."""

    value: float
    """0 to 100 (Pearson: -100 to 100)."""
    n: int
    """Examples scored."""
    num_unscored: int
    """Examples left out."""
    chance: float | None = None
    """Score of a uniform guess among the options; None without options."""


def usable(answers: Sequence[Answer]) -> list[Answer]:
    """Those with a prediction and at least one reference."""
    return [answer for answer in answers if answer.prediction is not None and answer.references]


def nothing(answers: Sequence[Answer]) -> Score:
    """The score where no value exists."""
    return Score(value=0.0, n=0, num_unscored=len(answers))


def mean_over_examples(answers: Sequence[Answer], score: Callable[[str, tuple[str, ...]], float]) -> Score:
    """The mean of `score(prediction, references)`, times 100.

    The chance level is exact: the mean over examples of the mean score of their options. For accuracy with
    one right option that is 1 / len(options); several right options (ReCoRD) or equal texts raise it.

    Args:
      answers: one an example.
      score: 0 to 1.
    """
    scored = usable(answers)
    if not scored:
        return nothing(answers)
    value = np.mean([score(answer.prediction, answer.references) for answer in scored])
    chance = None
    if all(answer.options for answer in scored):
        chance = 100 * float(
            np.mean([np.mean([score(o, answer.references) for o in answer.options]) for answer in scored])
        )
    return Score(100 * float(value), len(scored), len(answers) - len(scored), chance)
