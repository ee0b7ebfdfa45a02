"""docs/catalog.md shows what the templates and the corpus give today."""

from pathlib import Path

from flan_datagen.page import catalog_page
from flan_datagen.pool import Pools
from flan_datagen.sources import open_source

PAGE = Path(__file__).parents[1] / "docs" / "catalog.md"


def test_the_page_is_what_the_catalog_renders_now():
    assert PAGE.read_text(encoding="utf-8") == catalog_page(Pools(open_source("embedded"))), (
        "run `make catalog`, and read what changed"
    )
