"""The datasets and their templates: one YAML file a cluster.

    cluster: nli
    title: Natural language inference # names the task where a row has no instruction: "[Natural language ...: RTE]"
    datasets:
      - id: rte                       # also the adapter's name
        name: RTE                     # as in the paper
        hub: {repository: aps/super_glue, config: rte}   # on the Hugging Face Hub; left out where it is not there
        licence: unknown
        commercial_use: unknown       # allowed, forbidden, unknown
        answer_kind: classification   # classification, multiple_choice, span, free_text
        metrics: [accuracy]           # accuracy, f1, exact_match, rouge, bleu, ...; the main one first
        columns:                      # what the adapter reads; `name?` may be absent and is then null
          premise: string             # string, integer, float, boolean, list<T>, struct<a: T, b: T>
          label: integer
        labels: {label: [entailment, not_entailment]}   # the source's own names, in the order of their codes
        fields: [premise, hypothesis] # what templates use; `name?` may be empty
        options: ["yes", "no"]        # classification only, in the order of the labels
        bare: "{premise} {hypothesis}"  # the row without an instruction
        parts: [r1, r2]               # only where there are several; a mapping where they differ in the keys above
        folders: [rte]                # where files lie in a data folder; by default `<id>` or `<id>/<part>`
        splits: {train: train, dev: train, dev_rows: 200, test: [test, validation]}
        templates:                    # turned-around ones last
          - inputs: |-
              {premise}

              Does it follow that "{hypothesis}"?
              {options}
            targets: "{answer}"

Every ordinary template of a dataset with options ends with `{options}` on a line of its own and targets just
`{answer}`. A part with `templates` of its own uses these alone; a template's index counts through all of the
dataset. `load_catalog` checks all of this. A folder of the user's own has files of the same form, with `adapter`
(`catalog.expressions`) in place of a function; docs/catalog-folder.md shows one.
"""

from flan_datagen.catalog.entry import ANSWER_KINDS, METRICS, Entry, Hub, Part, Splits
from flan_datagen.catalog.errors import CatalogError
from flan_datagen.catalog.load import Catalog, load_catalog, parse_entries
from flan_datagen.catalog.template import Template, options_block

__all__ = [
    "ANSWER_KINDS",
    "METRICS",
    "Catalog",
    "CatalogError",
    "Entry",
    "Hub",
    "Part",
    "Splits",
    "Template",
    "load_catalog",
    "options_block",
    "parse_entries",
]
