"""Correlations of answers that are numbers (STS-B), by SciPy, times 100: of values, and of ranks."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from flan_evaluator.metrics.answer import Answer, Score, nothing, usable


def pearson(answers: Sequence[Answer]) -> Score:
    """Pearson's r of prediction and first reference; see `_correlation`."""
    return _correlation(answers, stats.pearsonr)


def spearman(answers: Sequence[Answer]) -> Score:
    """Spearman's rho of prediction and first reference, ties at their mean rank; see `_correlation`."""
    return _correlation(answers, stats.spearmanr)


def _correlation(answers: Sequence[Answer], method: Callable[..., Any]) -> Score:
    """An answer that is not a number is unscored; the reference code reads it as -1, which makes a silent model
    look inversely correlated. Where either side is constant no correlation exists: n is 0."""
    scored = usable(answers)
    pairs = [(_number(answer.prediction), _number(answer.references[0])) for answer in scored]
    numbers = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
    if len(numbers) < 2 or (numbers == numbers[0]).all(axis=0).any():
        return nothing(answers)
    value = method(numbers[:, 0], numbers[:, 1]).statistic
    chance = 0.0 if all(answer.options for answer in scored) else None
    return Score(100 * float(value), len(numbers), len(answers) - len(numbers), chance)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
