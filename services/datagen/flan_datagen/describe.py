"""What the catalog holds and what a spec mixes, for people to read before a run is paid for."""

from collections import Counter

from flan.v1 import datagen_service_pb2 as pb
from flan_datagen.catalog import Entry, Part
from flan_datagen.catalog.columns import type_name
from flan_datagen.examples import ANSWER_KINDS
from flan_datagen.pool import Pools
from flan_datagen.pretraining import DATASET, documents_of
from flan_datagen.units import mixture_units, unlicensed_entries
from flan_datagen.window import WindowMaker
from flan_shared.errors import DataError
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer

_DRAWS = 8192
"""Draws that the token figures rest on, about."""

_COMMERCIAL_USE = {
    "allowed": pb.COMMERCIAL_USE_ALLOWED,
    "forbidden": pb.COMMERCIAL_USE_FORBIDDEN,
    "unknown": pb.COMMERCIAL_USE_UNKNOWN,
}


def dataset_info(entry: Entry, pools: Pools, *, count_rows: bool) -> pb.DatasetInfo:
    """What the catalog knows of a dataset, with its rows in the source if they are asked for.

    Raises:
      DataError: the source cannot be read.
    """
    return pb.DatasetInfo(
        id=entry.id,
        cluster=entry.cluster,
        num_templates=len(entry.templates),
        answer_kind=ANSWER_KINDS[entry.answer_kind],
        metrics=entry.metrics,
        licence=entry.licence,
        available=_available(entry, pools),
        name=entry.name,
        commercial_use=_COMMERCIAL_USE[entry.commercial_use],
        parts=[_part_info(part) for part in entry.members],
        templates=[
            pb.TemplateInfo(
                id=index,
                inputs=template.inputs,
                targets=template.targets,
                turned_around=template.turned_around,
                parts=[part.name for part in entry.members if index in part.templates],
            )
            for index, template in enumerate(entry.templates)
        ],
        rows=[pb.SplitRows(**counts) for counts in pools.counts(entry)] if count_rows else (),
    )


def describe_mixture(spec: RunSpec, pools: Pools, tokenizer: Tokenizer | None) -> pb.DescribeMixtureResponse:
    """Rows, rates and shares of a spec's mixture; tokens by making its first windows.

    Running text is one unit of no cluster, and its rows are segments: how many there are is known with a tokenizer.

    Raises:
      DataError: the source lacks a dataset, or running text.
      SpecError: the spec names what the catalog has not, or is pinned to another tokenizer.
    """
    if spec.pretraining:
        return _describe_text(spec, pools, tokenizer)
    units = mixture_units(spec, pools)
    rows = [pools.train_rows(unit.entry, unit.part) for unit in units]
    sizes = [min(num, spec.mixture.cap) for num in rows]
    rates = [min(size, spec.mixture.rate_maximum) for size in sizes]
    response = pb.DescribeMixtureResponse(
        units=[
            pb.MixtureUnit(
                dataset=unit.entry.id,
                part=unit.part or "",
                cluster=unit.entry.cluster,
                rows=num_rows,
                pool_rows=size,
                rate=rate,
                share=rate / sum(rates),
            )
            for unit, num_rows, size, rate in zip(units, rows, sizes, rates, strict=True)
        ],
        unlicensed=[entry.id for entry in unlicensed_entries(spec, pools.catalog)],
    )
    if tokenizer is not None:
        _add_tokens(response, spec.with_tokenizer(tokenizer.digest, tokenizer.vocab_size), pools, tokenizer)
    return response


def _describe_text(spec: RunSpec, pools: Pools, tokenizer: Tokenizer | None) -> pb.DescribeMixtureResponse:
    response = pb.DescribeMixtureResponse(units=[pb.MixtureUnit(dataset=DATASET, rate=1, share=1.0)])
    if tokenizer is None:
        documents_of(spec, pools)
    else:
        maker = _add_tokens(
            response, spec.with_tokenizer(tokenizer.digest, tokenizer.vocab_size), pools, tokenizer
        )
        response.units[0].rows = response.units[0].pool_rows = maker.num_rows
    return response


def _add_tokens(
    response: pb.DescribeMixtureResponse, spec: RunSpec, pools: Pools, tokenizer: Tokenizer
) -> WindowMaker:
    """The maker whose first windows were looked at."""
    maker = WindowMaker(spec, pools, tokenizer)
    total: dict[str, Counter[str]] = {}
    for window in range(-(-_DRAWS // spec.packing.window)):
        for name, tally in maker.make(window).tallies.items():
            total.setdefault(name, Counter()).update(tally)
    all_tokens = sum(tally["input_tokens"] + tally["target_tokens"] for tally in total.values())
    for unit in response.units:
        tally = total.get(f"{unit.dataset}/{unit.part}" if unit.part else unit.dataset, Counter())
        num = max(tally["examples"], 1)
        unit.examples = tally["examples"]
        unit.input_tokens = tally["input_tokens"] / num
        unit.target_tokens = tally["target_tokens"] / num
        unit.token_share = (tally["input_tokens"] + tally["target_tokens"]) / max(all_tokens, 1)
        unit.shortened = tally["shortened"] / num
        unit.cut = tally["cut"] / num
    return maker


def _available(entry: Entry, pools: Pools) -> bool:
    # A gated repository of the Hub, or none to be reached, must not hide the rest of the catalog.
    try:
        return pools.available(entry)
    except DataError:
        return False


def _part_info(part: Part) -> pb.PartInfo:
    optional = {name: "?" if name in part.optional_columns else "" for name in part.columns}
    return pb.PartInfo(
        name=part.name,
        answer_kind=ANSWER_KINDS[part.answer_kind],
        hub=f"{part.hub.repository}:{part.hub.config}" if part.hub else "",
        columns={name + optional[name]: type_name(dtype) for name, dtype in part.columns.items()},
        labels={
            column: pb.LabelNames(names=[f"{code}={name}" for code, name in names.items()])
            for column, names in part.labels.items()
        },
        options=part.options,
        train_splits=part.splits.train,
        dev_splits=part.splits.dev,
        dev_rows=part.splits.dev_rows,
        test_splits=part.splits.test,
        test_rows=part.splits.test_rows,
    )
