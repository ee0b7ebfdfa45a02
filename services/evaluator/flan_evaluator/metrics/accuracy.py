"""Accuracy: the answer equals an accepted answer, text for text.

String equality decides, as in FLAN's rank evaluation: options with identical text are all right. White space
at the ends does not count, because a decoder cannot be asked for it.
"""

from collections.abc import Sequence

from flan_evaluator.metrics.answer import Answer, Score, mean_over_examples


def accuracy(answers: Sequence[Answer]) -> Score:
    """Share of answers that equal one of their references."""
    return mean_over_examples(answers, _equal)


def _equal(prediction: str, references: tuple[str, ...]) -> float:
    return float(prediction.strip() in {reference.strip() for reference in references})
