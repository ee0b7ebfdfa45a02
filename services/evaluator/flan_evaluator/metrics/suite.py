"""From the metric names of the catalog to scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from flan.v1 import example_pb2
from flan_evaluator.errors import EvaluationError
from flan_evaluator.metrics.accuracy import accuracy
from flan_evaluator.metrics.answer import Answer, Score
from flan_evaluator.metrics.bleu import bleu
from flan_evaluator.metrics.class_f1 import class_f1
from flan_evaluator.metrics.correlation import pearson, spearman
from flan_evaluator.metrics.edit_distance import edit_distance
from flan_evaluator.metrics.rouge import rouge
from flan_evaluator.metrics.squad import exact_match, token_f1

_SIMPLE = {
    "accuracy": accuracy,
    "bleu": bleu,
    "exact_match": exact_match,
    "pearson": pearson,
    "spearman": spearman,
}


@dataclass(frozen=True)
class NamedScore:
    """A score under the name that results carry."""

    metric: str
    main: bool
    """True for exactly one: the first of the catalog's metrics (of ROUGE rouge1, of edit distance edit_similarity)."""
    score: Score


def measure(
    names: Sequence[str], kind: "example_pb2.AnswerKind", answers: Sequence[Answer]
) -> list[NamedScore]:
    """Computes every metric of a dataset.

    Args:
      names: metric names of the catalog, the main one first. `rouge` gives three scores, `edit_distance` two;
        `f1` is F1 over classes for classification, else SQuAD's token F1.
      kind: how the dataset is answered.
      answers: one an example.

    Raises:
      EvaluationError: no name, or one that is not known here.
    """
    scores: dict[str, Score] = {}
    for name in names:
        if name == "rouge":
            scores |= rouge(answers)
        elif name == "edit_distance":
            scores |= edit_distance(answers)
        elif name == "f1":
            by_class = kind == example_pb2.ANSWER_KIND_CLASSIFICATION
            scores[name] = (class_f1 if by_class else token_f1)(answers)
        elif name in _SIMPLE:
            scores[name] = _SIMPLE[name](answers)
        else:
            known = ", ".join(sorted({*_SIMPLE, "edit_distance", "f1", "rouge"}))
            raise EvaluationError(f"metric {name!r} is not known to the evaluator; known: {known}")
    if not scores:
        raise EvaluationError("the dataset names no metric; its catalog entry needs at least one")
    main = next(iter(scores))
    return [NamedScore(metric, metric == main, score) for metric, score in scores.items()]
