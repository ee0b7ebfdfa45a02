"""The embedded corpus: rows of many datasets in their own columns, made from one small invented world.

Labels are right by construction and the classes even. The same operations return in several clusters in
other dress, so that a model tuned on some clusters can be asked about another one:

    operation          where
    statement check    nli, paraphrase (two sentences), reading comprehension (BoolQ, MultiRC)
    not said           nli, reading comprehension (BoolQ, SQuAD 2), reading comprehension with commonsense
    look up a value    struct to text, reading comprehension (all), reading comprehension with commonsense
    cause and effect   commonsense (COPA), coreference, reading comprehension with commonsense
    mood               sentiment, reading comprehension with commonsense
    reference          coreference, nli (WNLI)
    topic              summarization (AG News), commonsense (HellaSwag), reading comprehension with commonsense
    order              commonsense (HellaSwag), reading comprehension (DROP)
    arithmetic         misc (math_dataset), reading comprehension (DROP)
    world fact         closed-book QA, reading comprehension (OpenBookQA, some of SQuAD)
    tell the facts     struct to text, summarization (SAMSum), translation
"""

from flan_datagen.embedded.source import DATASETS, EmbeddedSource

__all__ = ["DATASETS", "EmbeddedSource"]
