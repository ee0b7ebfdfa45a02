"""Edit distance between words (Levenshtein), by NLTK: for texts whose case, punctuation or spaces are put right."""

from collections.abc import Sequence

import numpy as np
from nltk.metrics.distance import edit_distance as levenshtein

from flan_evaluator.metrics.answer import Answer, Score, mean_over_examples, nothing, usable


def edit_distance(answers: Sequence[Answer]) -> dict[str, Score]:
    """Two scores of the prediction and its nearest reference.

    `edit_similarity`, 0 to 100, is 1 - distance / words of the longer text; it comes first, because more is better
    in it, as in all main metrics. `edit_distance` is the mean number of words that differ, where less is better.
    Case counts: lower-casing, as the reference code does, would not see what restoring case is about.
    """
    scored = usable(answers)
    similarity = mean_over_examples(
        answers,
        lambda prediction, references: max(
            1 - _distance(prediction, reference) / max(len(prediction.split()), len(reference.split()), 1)
            for reference in references
        ),
    )
    if not scored:
        return {"edit_similarity": similarity, "edit_distance": nothing(answers)}
    distances = [min(_distance(a.prediction, reference) for reference in a.references) for a in scored]
    distance = Score(float(np.mean(distances)), len(scored), len(answers) - len(scored))
    return {"edit_similarity": similarity, "edit_distance": distance}


def _distance(prediction: str, reference: str) -> int:
    return levenshtein(prediction.split(), reference.split())
