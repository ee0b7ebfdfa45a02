"""Real files, where they lie beside the checkout: every row is read, every template fits."""

from pathlib import Path

import pytest

from flan_datagen.catalog import load_catalog, options_block
from flan_datagen.sources import FolderSource

DATA = Path(__file__).parents[2] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real rows: ../shared/data is absent")

CLUSTERS = {
    "closed_book_qa",
    "struct_to_text",
    "reading_comprehension",
    "reading_comprehension_commonsense",
    "misc",
    "summarization",
    "translation",
}
DATASETS = [entry.id for entry in load_catalog().values() if entry.cluster in CLUSTERS]

# ARC leaves out rows without four options: (rows of the file, of these without four).
ARC_TRAIN = {"challenge": (1119, 2), "easy": (2251, 10)}


@pytest.mark.parametrize("dataset", DATASETS)
def test_real_rows_are_sound_and_fit_every_template(dataset):
    entry, source = load_catalog()[dataset], FolderSource(DATA)
    parts = [part for part in entry.parts if source.has(entry, part, "train")]
    if not parts:
        pytest.skip(f"real rows: {dataset} is not among them")
    for part in parts:
        rows = entry.adapt(source.read(entry, part, "train"), part)
        assert rows["defect"].null_count() == rows.height > 0
        for row in rows.head(20).to_dicts():
            values = row | {"options": options_block(row["options"])}
            for template in entry.templates:
                inputs, targets = template.render(values)
                assert inputs.strip()
                assert targets.strip()
                if entry.has_options and not template.turned_around:
                    assert targets in row["options"]


@pytest.mark.parametrize("part", ARC_TRAIN)
def test_real_arc_rows_are_all_accounted_for(part):
    entry, source = load_catalog()["arc"], FolderSource(DATA)
    frame = source.read(entry, part, "train")
    num_rows, num_left_out = ARC_TRAIN[part]
    assert frame.height == num_rows
    assert entry.adapt(frame, part).height == num_rows - num_left_out
