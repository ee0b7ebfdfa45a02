"""CosmosQA."""

import polars as pl

_OPTIONS = ("answer0", "answer1", "answer2", "answer3")


def cosmos_qa(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The options are columns of their own. Label -1 marks the rows of the test split, which are unlabelled."""
    return frame.select("row", "context", "question", "label", options=pl.concat_list(*_OPTIONS))
