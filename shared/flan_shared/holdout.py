"""The 12 clusters and which of them a held-out cluster takes out of tuning (Wei et al. 2021, section 2.2).

A dataset is unseen only if no dataset of any cluster it belongs to was tuned on, so some clusters take
neighbours with them: reading comprehension and commonsense share the datasets of "reading comprehension
with commonsense"; NLI and paraphrase ask nearly the same question. The relation is not transitive:
reading comprehension and commonsense do not exclude each other.
"""

CLUSTERS = (
    "nli",
    "commonsense",
    "sentiment",
    "paraphrase",
    "closed_book_qa",
    "struct_to_text",
    "reading_comprehension",
    "reading_comprehension_commonsense",
    "coreference",
    "misc",
    "summarization",
    "translation",
)

_ALSO_EXCLUDED = {
    "reading_comprehension": {"reading_comprehension_commonsense"},
    "commonsense": {"reading_comprehension_commonsense"},
    "reading_comprehension_commonsense": {"reading_comprehension", "commonsense"},
    "nli": {"paraphrase"},
    "paraphrase": {"nli"},
}


def excluded_clusters(heldout: str) -> frozenset[str]:
    """All clusters that may not be tuned on when `heldout` is evaluated, itself included.

    >>> sorted(excluded_clusters("nli"))
    ['nli', 'paraphrase']

    Raises:
      KeyError: `heldout` is not one of `CLUSTERS`.
    """
    if heldout not in CLUSTERS:
        raise KeyError(heldout)
    return frozenset({heldout} | _ALSO_EXCLUDED.get(heldout, set()))


def training_clusters(heldout: set[str] | frozenset[str]) -> tuple[str, ...]:
    """The clusters that may be tuned on when all of `heldout` are evaluated, in catalog order."""
    excluded = frozenset().union(*(excluded_clusters(name) for name in heldout))
    return tuple(name for name in CLUSTERS if name not in excluded)
