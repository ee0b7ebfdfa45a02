"""Real files, where they lie beside the checkout: every row is read or counted, every template fits."""

from pathlib import Path

import pytest

from flan.v1 import datagen_service_pb2 as pb
from flan_datagen.catalog import load_catalog
from flan_datagen.examples import stream_examples
from flan_datagen.pool import Pools
from flan_datagen.sources import FolderSource

DATA = Path(__file__).parents[2] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real rows: ../shared/data is absent")

CATALOG = load_catalog()

EXPECTED_LEFT_OUT = {
    # ARC leaves out rows without four options.
    ("arc", "challenge", "train"): 2,
    ("arc", "challenge", "test"): 5,
    ("arc", "easy", "train"): 10,
    ("arc", "easy", "test"): 5,
    # Neutral tweets, which only the hand-labelled set has.
    ("sentiment140", "", "train"): None,
    ("sentiment140", "", "test"): None,
}
"""Rows that a dataset's protocol excludes; None: some, as many as there are."""


@pytest.fixture(scope="module")
def pools():
    return Pools(FolderSource(DATA))


@pytest.mark.parametrize("dataset", CATALOG)
def test_every_real_row_is_read_or_counted_and_fits_every_template(dataset, pools):
    entry = CATALOG[dataset]
    if not pools.available(entry):
        pytest.skip(f"real rows: {dataset} is not among them")
    for counts in pools.counts(entry):
        where = (dataset, counts["part"], counts["split"])
        assert counts["examples"] + counts["left_out"] == counts["source_rows"] > 0, where
        assert counts["defective"] == 0, where
        assert EXPECTED_LEFT_OUT.get(where, 0) in (counts["left_out"], None), where
    request = pb.StreamExamplesRequest(datasets=[dataset], num_rows=20, every_template=True)
    examples = list(stream_examples(entry, request, pools, None))
    found = {(example.part, example.template) for example in examples}
    assert found == {
        (part.name, template)
        for part in entry.members
        if any(example.part == part.name for example in examples)
        for template in part.templates
    }
    for example in examples:
        assert example.inputs.strip(), example
        assert example.targets.strip(), example
        if example.options:
            assert example.targets in example.options, example
            assert example.inputs.endswith("\n- ".join(("OPTIONS:", *example.options))), example
