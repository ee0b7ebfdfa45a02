"""docs/catalog.md: every template of every dataset, filled with one row of the embedded corpus, to be read.

The structure is that of the real datasets, the words are the corpus's own. A test holds the file against this.
"""

from collections.abc import Iterator

from flan.v1 import datagen_service_pb2 as pb
from flan.v1 import example_pb2
from flan_datagen.catalog import Entry, Part
from flan_datagen.examples import stream_examples
from flan_datagen.pool import Pools

_ROWS = 24
"""The shortest of so many rows is shown: a page is for reading."""

_HEAD = """\
# The catalog, template by template

Every template of every dataset, filled with a row of the embedded corpus: real structure, invented words. Written by
`make catalog`; do not edit. The text in the first box is what the model reads, in the second what it shall write.
"""


def catalog_page(pools: Pools) -> str:
    """The page as Markdown.

    Raises:
      DataError: the source lacks a dataset.
    """
    lines, cluster = [_HEAD], ""
    entries = pools.catalog.values()
    for entry in entries:
        if entry.cluster != cluster:
            cluster = entry.cluster
            here = [other.name for other in entries if other.cluster == cluster]
            lines.append(f"## {entry.title}\n\n`{cluster}`: {', '.join(here)}\n")
        lines += _dataset(entry, pools)
    return "\n".join(lines)


def _dataset(entry: Entry, pools: Pools) -> Iterator[str]:
    yield f"### {entry.name}\n"
    yield f"`{entry.id}` · {entry.answer_kind.replace('_', ' ')} · {', '.join(entry.metrics)} · {_source(entry)}\n"
    request = pb.StreamExamplesRequest(datasets=[entry.id], num_rows=_ROWS, every_template=True)
    examples = list(stream_examples(entry, request, pools, None))
    own = len({part.templates for part in entry.members}) > 1
    for part in entry.members if own else entry.members[:1]:
        if own:
            yield f"Part `{part.name}`\n"
        yield from _templates(entry, part, [example for example in examples if example.part == part.name])


def _source(entry: Entry) -> str:
    hubs = dict.fromkeys(
        f"{part.hub.repository}:{part.hub.config}" for part in entry.members if part.hub is not None
    )
    return f"{'; '.join(hubs) or 'files only'} · licence {entry.licence}"


def _templates(entry: Entry, part: Part, examples: list[example_pb2.Example]) -> Iterator[str]:
    by_row: dict[int, list[example_pb2.Example]] = {}
    for example in examples:
        by_row.setdefault(example.row, []).append(example)
    row = min(
        by_row, key=lambda row: (sum(len(each.inputs) + len(each.targets) for each in by_row[row]), row)
    )
    for example in by_row[row]:
        turned = ", turned around" if example.turned_around else ""
        yield f"Template {example.template}{turned}\n"
        yield f"```text\n{example.inputs}\n```\n\n```text\n{example.targets}\n```\n"
