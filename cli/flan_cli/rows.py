"""Where rows come from and which catalog knows them: what every command that starts datagen is given."""

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Rows:
    """The data and the user's own catalog."""

    data: str = EMBEDDED
    """embedded, hub, a folder, or several of these with commas between."""
    catalog: Path | None = None
    """Folder of catalog files beside those of the package."""

    @property
    def flags(self) -> list[str]:
        """As datagen takes them."""
        return ["--data", self.data, *(["--catalog", str(self.catalog)] if self.catalog else [])]

    @property
    def shown(self) -> str:
        """For a command line that the user may type; empty where these are the defaults."""
        flags = self.flags if self != Rows() else []
        return "".join(f" {shlex.quote(flag)}" for flag in flags)


_DATA_HELP = (
    "Where rows come from: `embedded` (the corpus that is made here), `hub` (the Hugging Face Hub), or a folder with "
    "one subfolder a dataset. Several with commas between: a dataset comes from the first that has it."
)
_CATALOG_HELP = "Folder of *.yaml files with datasets of your own; see docs/catalog-folder.md."


def rows_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --data and --catalog; the command gets `rows`."""

    @click.option(
        "--data",
        envvar="FLAN_DATA",
        show_envvar=True,
        default=EMBEDDED,
        show_default=True,
        metavar="embedded|hub|DIR[,…]",
        help=_DATA_HELP,
    )
    @click.option(
        "--catalog",
        envvar="FLAN_CATALOG",
        show_envvar=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=_CATALOG_HELP,
    )
    @functools.wraps(command)
    def with_rows(*args: Any, data: str, catalog: Path | None, **options: Any) -> Any:
        return command(*args, rows=Rows(data, catalog), **options)

    return with_rows
