"""Prints what a run came to."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from flan.v1.batch_pb2 import QuarantinedRow
from flan_cli.outcome import PROPORTIONS, RULE, Result, Score, judge

_MOST_QUARANTINED = 5
_WIDTH = 110
"""Where the output is no terminal: nothing is cut."""


def print_outcome(
    result: Result,
    scores: Sequence[Score],
    quarantined: Sequence[QuarantinedRow],
    fitted: Mapping[str, Mapping[str, int]] | None = None,
    *,
    console: Console | None = None,
) -> None:
    """Prints the table of held-out scores, the verdict, the accounting and the digest.

    Args:
      result: of the trainer.
      scores: before and after.
      quarantined: rows that were set aside; the first few are shown.
      fitted: what was done so that examples fit, in words, and to how many of which dataset.
      console: standard output where not given.
    """
    console = console or _stdout()
    console.print()
    console.print(_table(result, scores))
    _print_notes(console, scores)
    console.print()
    account = result.accounting
    console.print(
        f"examples: {account['drawn']:,} drawn = {account['trained']:,} trained + {account['dropped']:,} dropped "
        f"+ {account['quarantined']:,} quarantined"
    )
    for row in quarantined[:_MOST_QUARANTINED]:
        console.print(f"  quarantined: {row.dataset} {row.row}: {row.cause}", markup=False)
    if len(quarantined) > _MOST_QUARANTINED:
        console.print(f"  and {len(quarantined) - _MOST_QUARANTINED:,} rows more")
    for what, datasets in (fitted or {}).items():
        if datasets:
            shown = ", ".join(f"{name} {count:,}" for name, count in datasets.items())
            console.print(f"  {what}: {shown}")
    console.print(
        f"training: {result.steps:,} steps in {result.seconds:,.0f} s, "
        f"loss {result.loss_first:.3f} -> {result.loss_last:.3f}"
    )
    console.print(f"final digest: {result.final_digest}")


def _table(result: Result, scores: Sequence[Score]) -> Table:
    table = Table(
        title=f"Held-out clusters before tuning (step 0) and after (step {result.steps:,})",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for name in ("dataset", "cluster", "metric"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "before", "after", "change", "chance"):
        table.add_column(name, justify="right", no_wrap=True)
    for score in scores:
        table.add_row(
            score.dataset,
            score.cluster,
            score.metric,
            f"{score.n:,}",
            _points(score.before),
            _points(score.after),
            _points(score.change, "+.1f"),
            _points(score.chance),
        )
    return table


def _points(value: float | None, form: str = ".1f") -> str:
    return "-" if value is None else format(value, form)


def _print_notes(console: Console, scores: Sequence[Score]) -> None:
    for score in scores:
        for when, num_unscored in (("before", score.num_unscored_before), ("after", score.num_unscored)):
            if num_unscored:
                console.print(
                    f"{score.dataset} {score.metric}: {num_unscored:,} examples could not be scored {when} tuning; "
                    "they are not part of n"
                )
    verdict = judge(scores)
    if verdict is None:
        if any(score.metric in PROPORTIONS for score in scores):
            why = "what it would rest on could not be scored before and after tuning."
        else:
            why = "no held-out metric here is a proportion, whose noise n alone would tell."
        console.print(f"No verdict: {why}")
        return
    console.print(f"[bold]{verdict.sentence}[/bold]")
    console.print(f"({RULE})", style="dim")


def _stdout() -> Console:
    console = Console(highlight=False, soft_wrap=True)
    return (
        console
        if console.is_terminal
        else Console(highlight=False, soft_wrap=True, width=_WIDTH, color_system=None)
    )
