"""Edit distance between words (Levenshtein), by NLTK: for texts whose case, punctuation or spaces are put right."""

from collections.abc import Sequence

from nltk.metrics.distance import edit_distance as levenshtein

from flan_evaluator.metrics.answer import Answer, Score, mean, settled


def edit_distance(answers: Sequence[Answer]) -> dict[str, Score]:
    """Two scores of the prediction and its nearest reference.

    `edit_similarity`, 0 to 100, is 1 - distance / words of the longer text; it comes first, because more is better
    in it, as in all main metrics. `edit_distance` is the mean number of words that differ, where less is better.
    Case counts: lower-casing, as the reference code does, would not see what restoring case is about.
    """
    similarities: list[float | None] = []
    distances: list[float | None] = []
    for answer in settled(answers):
        if answer is None:
            similarities.append(None)
            distances.append(None)
            continue
        words = answer.prediction.split()
        found = [_distance(words, reference.split()) for reference in answer.references]
        similarities.append(100 * max(1 - distance / longer for distance, longer in found))
        distances.append(float(min(distance for distance, _ in found)))
    return {"edit_similarity": mean(similarities), "edit_distance": mean(distances)}


def _distance(prediction: list[str], reference: list[str]) -> tuple[int, int]:
    """The distance, and the words of the longer text."""
    return levenshtein(prediction, reference), max(len(prediction), len(reference), 1)
