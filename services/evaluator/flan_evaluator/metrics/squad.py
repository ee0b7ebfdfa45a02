"""Exact match and token F1 after SQuAD's normalisation, the best over the references.

The formulas of the official SQuAD v1.1 evaluation (arXiv:1606.05250, section 6.1): lower case, no
punctuation, no articles, single spaces; F1 over the bag of words. Where nothing is left of either text they are
equal and F1 is 1, as in v2.0 (arXiv:1806.03822); v1.1 says 0. We differ in one point: an empty prediction equals
nothing, not even a reference such as "The". Other datasets use the same formulas after a normalisation of their own.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

from flan_evaluator.metrics.answer import Answer, Score, mean_over_examples

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def exact_match(answers: Sequence[Answer]) -> Score:
    """Share of answers that equal a reference after normalisation."""
    return mean_over_examples(answers, equals_any)


def token_f1(answers: Sequence[Answer]) -> Score:
    """Mean of the best F1 with any reference."""
    return mean_over_examples(answers, best_f1)


def normalised(text: str) -> str:
    """Lower case, without punctuation and articles, words joined by one space.

    >>> normalised("The  U.S. Army's")
    'us armys'
    """
    return without_articles(text.lower().translate(_PUNCTUATION))


def without_articles(text: str) -> str:
    """Words but a, an and the, joined by one space; the text is in lower case."""
    return " ".join(_ARTICLES.sub(" ", text).split())


def equals_any(
    prediction: str, references: Sequence[str], normalise: Callable[[str], str] = normalised
) -> float:
    """1 where the prediction equals a reference, else 0."""
    said = prediction.strip() != ""
    return float(said and normalise(prediction) in map(normalise, references))


def best_f1(
    prediction: str, references: Sequence[str], normalise: Callable[[str], str] = normalised
) -> float:
    """The highest F1, 0 to 1, of the prediction's words and those of a reference."""
    if not prediction.strip():
        return 0.0
    predicted = Counter(normalise(prediction).split())
    return max(_f1(predicted, Counter(normalise(reference).split())) for reference in references)


def _f1(predicted: Counter[str], expected: Counter[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    shared = (predicted & expected).total()
    return 2 * shared / (predicted.total() + expected.total())
