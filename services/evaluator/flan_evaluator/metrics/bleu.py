"""Corpus BLEU by sacreBLEU (arXiv:1804.08771): tokenizer intl, exponential smoothing, as in FLAN."""

from collections.abc import Sequence
from itertools import zip_longest

from sacrebleu.metrics import BLEU

from flan_evaluator.metrics.answer import Answer, Score, nothing, usable


def bleu(answers: Sequence[Answer]) -> Score:
    """BLEU over all examples at once, with sacreBLEU's signature; an example may have any number of references."""
    scored = usable(answers)
    if not scored:
        return nothing(answers)
    # sacreBLEU takes one stream a reference position; None marks an example with fewer references.
    streams = [list(stream) for stream in zip_longest(*(answer.references for answer in scored))]
    metric = BLEU(smooth_method="exp", tokenize="intl")
    result = metric.corpus_score([answer.prediction for answer in scored], streams)
    return Score(
        float(result.score),
        len(scored),
        len(answers) - len(scored),
        signature=metric.get_signature().format(),
    )
