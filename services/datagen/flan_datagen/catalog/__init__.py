"""The datasets and their templates: one YAML file a cluster.

    cluster: nli
    datasets:
      - id: rte                       # also the adapter's name and the source's folder
        name: RTE                     # as in the paper
        hub: aps/super_glue:rte       # Hugging Face repository:configuration
        licence: unknown
        answer_kind: classification   # classification, multiple_choice, span, free_text
        metrics: [accuracy]           # accuracy, f1, exact_match, rouge, bleu, pearson; the main one first
        columns:                      # what the adapter reads; `name?` may be absent and is then null
          premise: string             # string, integer, float, boolean, list<T>, struct<a: T, b: T>
          label: integer
        fields: [premise, hypothesis] # what templates use; `name?` may be empty
        options: ["yes", "no"]        # classification only, in the dataset's own label order
        parts: [r1, r2]               # only where there are several
        splits: {train: train, dev: train, dev_rows: 200, test: [test, validation]}
        templates:                    # turned-around ones last
          - inputs: |-
              {premise}

              Does it follow that "{hypothesis}"?
              {options}
            targets: "{answer}"

Every ordinary template of a dataset with options ends with `{options}` on a line of its own and targets just
`{answer}`. `load_catalog` checks all of this.
"""

from flan_datagen.catalog.entry import ANSWER_KINDS, METRICS, Entry, Splits
from flan_datagen.catalog.errors import CatalogError
from flan_datagen.catalog.load import load_catalog, parse_entries
from flan_datagen.catalog.template import Template, options_block

__all__ = [
    "ANSWER_KINDS",
    "METRICS",
    "CatalogError",
    "Entry",
    "Splits",
    "Template",
    "load_catalog",
    "options_block",
    "parse_entries",
]
