"""One dataset of the catalog: what its source looks like, how its rows become fields, and how it is asked."""

import dataclasses
from collections.abc import Mapping

import polars as pl

from flan_datagen.adapters import find_adapter
from flan_datagen.catalog.canonical import canonical
from flan_datagen.catalog.columns import conform
from flan_datagen.catalog.template import Template

CLASSIFICATION, MULTIPLE_CHOICE, SPAN, FREE_TEXT = "classification", "multiple_choice", "span", "free_text"
ANSWER_KINDS = (CLASSIFICATION, MULTIPLE_CHOICE, SPAN, FREE_TEXT)
METRICS = ("accuracy", "f1", "exact_match", "rouge", "bleu", "pearson")


@dataclasses.dataclass(frozen=True)
class Splits:
    """Splits of the source, under the source's names.

    Attributes:
      train: what is trained on.
      dev: what the development rows come from.
      dev_rows: how many of them there are.
      test: what scores are reported on: the first of these that the source has.
    """

    train: str
    dev: str
    dev_rows: int
    test: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One dataset.

    Attributes:
      id: short name, unique in the catalog; also the name of the adapter and of a source's folder.
      name: as in the paper.
      cluster: one of `flan_shared.holdout.CLUSTERS`.
      hub: repository and configuration on the Hugging Face Hub.
      licence: of the dataset; "unknown" where nobody says.
      answer_kind: one of `ANSWER_KINDS`.
      metrics: some of `METRICS`, the main one first.
      columns: type of each source column that the adapter reads.
      optional_columns: those that a source may lack.
      fields: what templates may use beside the answer and the options.
      optional_fields: those that may be empty.
      options: answer texts in the dataset's own label order; empty unless `answer_kind` is classification.
      parts: ("",) for a dataset in one part.
      splits: see `Splits`.
      templates: ordinary ones first, then those that are turned around.
    """

    id: str
    name: str
    cluster: str
    hub: str
    licence: str
    answer_kind: str
    metrics: tuple[str, ...]
    columns: Mapping[str, pl.DataType] = dataclasses.field(hash=False)
    optional_columns: frozenset[str]
    fields: tuple[str, ...]
    optional_fields: frozenset[str]
    options: tuple[str, ...]
    parts: tuple[str, ...]
    splits: Splits
    templates: tuple[Template, ...]

    @property
    def has_options(self) -> bool:
        """Whether every row comes with options to choose from."""
        return self.answer_kind in (CLASSIFICATION, MULTIPLE_CHOICE)

    def adapt(self, frame: pl.DataFrame, part: str) -> pl.DataFrame:
        """Rows of the source in canonical form; unlabelled rows are left out.

        Args:
          frame: the source's columns; `row` (integer) says where each row stands in its split, the order of
            the frame where that column is absent.
          part: one of `parts`.

        Returns:
          `row` Int64; a String for each of `fields`; `options` List[String], empty for span and free text;
          `answer` String; `references` List[String], `answer` first; `defect` String, null for a sound row.

        Raises:
          DataError: a column is missing or has another type.
        """
        if "row" not in frame.columns:
            frame = frame.with_row_index("row")
        frame = conform(
            frame.with_columns(pl.col("row").cast(pl.Int64)),
            self.columns,
            optional=self.optional_columns,
            dataset=self.id,
        )
        adapted = find_adapter(self.cluster, self.id)(frame, part)
        return canonical(
            adapted,
            fields=self.fields,
            optional_fields=self.optional_fields,
            options=self.options,
            has_options=self.has_options,
        )
