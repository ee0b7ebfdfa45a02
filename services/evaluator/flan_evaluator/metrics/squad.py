"""Exact match and token F1 after SQuAD's normalisation, the best over the references.

The formulas of the official SQuAD v1.1 evaluation (arXiv:1606.05250, section 6.1): lower case, no
punctuation, no articles, single spaces; F1 over the bag of words. As with v2.0 (arXiv:1806.03822), an answer
without any word left matches only another such answer.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

from flan_evaluator.metrics.answer import Answer, Score, mean_over_examples

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised(text: str) -> str:
    """Lower case, without punctuation and articles, words joined by one space.

    >>> normalised("The  U.S. Army's")
    'us armys'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answers: Sequence[Answer]) -> Score:
    """Share of answers that equal a reference after normalisation."""
    return mean_over_examples(answers, _exact_match)


def token_f1(answers: Sequence[Answer]) -> Score:
    """Mean of the best F1 with any reference."""
    return mean_over_examples(answers, lambda p, references: max(_token_f1(p, r) for r in references))


def _exact_match(prediction: str, references: tuple[str, ...]) -> float:
    return float(normalised(prediction) in {normalised(reference) for reference in references})


def _token_f1(prediction: str, reference: str) -> float:
    predicted, expected = Counter(normalised(prediction).split()), Counter(normalised(reference).split())
    if not predicted or not expected:
        return float(predicted == expected)
    shared = (predicted & expected).total()
    return 2 * shared / (predicted.total() + expected.total())
