"""F1 and exact match of DROP (arXiv:1903.00161, section 5), by the rules of its official script.

(Repository allenai/allennlp-reading-comprehension, allennlp_rc/eval/drop_eval.py.) Numbers are compared as
numbers: 12, 12.0 and 1.2e1 are one. Words part at hyphens as at spaces. F1 is over the set of words, is 0 where the
reference has numbers and the prediction none of them, and is rounded to two digits for every example, as published
figures are. The best reference counts.

Every reference is one span here. The script also aligns answers of several spans one to one; the Hub's copy of
the dataset mixes the spans of one answer with those of other annotators, so an answer in several spans is
judged by its best single span.
"""

import re
import string
from collections.abc import Sequence

from flan_evaluator.metrics.answer import Answer, Score, mean_over_examples
from flan_evaluator.metrics.squad import equals_any, without_articles

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def drop(answers: Sequence[Answer]) -> dict[str, Score]:
    """`f1` first, then `exact_match`."""
    return {
        "f1": mean_over_examples(answers, lambda p, references: max(_f1(p, r) for r in references)),
        "exact_match": mean_over_examples(
            answers, lambda p, references: equals_any(p, references, normalised)
        ),
    }


def normalised(text: str) -> str:
    """Lower case, numbers as Python prints them, other words without punctuation, no articles, single spaces.

    >>> normalised("The 78-yard pass by S.K. Singh")
    '78.0 yard pass by sk singh'
    """
    words = (_word(token) for token in re.split("[ -]", text.lower()))
    return " ".join(word for word in words if word)


def _word(token: str) -> str:
    if _is_number(token):
        return str(float(token))
    bare = token.translate(_PUNCTUATION)
    return str(float(bare)) if _is_number(bare) else without_articles(bare)


def _f1(prediction: str, reference: str) -> float:
    if not prediction.strip():
        return 0.0
    predicted, expected = set(normalised(prediction).split()), set(normalised(reference).split())
    if not predicted or not expected:
        return float(predicted == expected)
    numbers = set(filter(_is_number, expected))
    if numbers and not numbers & predicted:
        return 0.0
    return round(2 * len(predicted & expected) / (len(predicted) + len(expected)), 2)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
