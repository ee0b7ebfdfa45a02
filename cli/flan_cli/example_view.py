"""How a rendered example is shown: as text for people, as JSON for programs."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from flan.v1 import example_pb2
from flan_shared.spec import Lengths

_BAR_WIDTH = 40
_SPLIT_NAMES = {
    example_pb2.SPLIT_TRAIN: "train",
    example_pb2.SPLIT_DEV: "dev",
    example_pb2.SPLIT_TEST: "test",
}


def stdout() -> Console:
    """Standard output; what is printed there is data, so nothing in it is taken for markup."""
    return Console(highlight=False, markup=False, emoji=False)


def source_of(example: example_pb2.Example) -> str:
    """Where an example came from: `anli/r1 test row 17, template 3 (turned around)`."""
    part = f"/{example.part}" if example.part else ""
    turned = " (turned around)" if example.turned_around else ""
    split = _SPLIT_NAMES.get(example.split, "train")
    return f"{example.dataset}{part} {split} row {example.row}, template {example.template}{turned}"


def print_example(console: Console, number: int, example: example_pb2.Example) -> None:
    """Prints one example: where it came from, what the model reads, what it shall write."""
    console.print(Rule(Text(f"{number} · {example.cluster} · {source_of(example)}", "bold"), align="left"))
    for line in example.inputs.split("\n"):
        # The terminal wraps: text that is copied from here has no breaks and spaces of its own.
        console.print(f"  {line}" if line else "", soft_wrap=True)
    answers = {"targets": [example.targets], "options": example.options}
    if list(example.references) != [example.targets]:
        answers["references"] = example.references
    for name, texts in answers.items():
        if texts:
            console.print(Text.assemble((f"{name:<12}", "bold"), " | ".join(texts)), soft_wrap=True)
    console.print()


def print_row(console: Console, row: int, examples: Sequence[example_pb2.Example], lengths: Lengths) -> None:
    """Prints one packed row: how full it is, and the segment of every example."""
    examples = sorted(examples, key=lambda each: each.placement.segment)
    num_inputs = sum(each.placement.num_input_tokens for each in examples)
    num_targets = sum(each.placement.num_target_tokens for each in examples)
    console.print(Text(f"row {row}", "bold"))
    inputs = [each.placement.num_input_tokens for each in examples]
    targets = [each.placement.num_target_tokens for each in examples]
    console.print(f"  inputs   {_bar(inputs, lengths.inputs)} {_share(num_inputs, lengths.inputs)}")
    console.print(f"  targets  {_bar(targets, lengths.targets)} {_share(num_targets, lengths.targets)}")
    for each in examples:
        place = each.placement
        tokens = f"{place.num_input_tokens:4} + {place.num_target_tokens:3} tokens"
        console.print(f"  segment {place.segment:2}  {tokens}  {source_of(each)}", soft_wrap=True)
    console.print()


def example_json(example: example_pb2.Example) -> dict[str, Any]:
    """The form that `flan preview --json` writes, one object an example."""
    shown = {
        "dataset": example.dataset,
        "cluster": example.cluster,
        "part": example.part,
        "split": _SPLIT_NAMES.get(example.split, "train"),
        "row": example.row,
        "template": example.template,
        "turned_around": example.turned_around,
        "inputs": example.inputs,
        "targets": example.targets,
        "options": list(example.options),
        "references": list(example.references),
    }
    if example.HasField("placement"):
        place = example.placement
        shown["placement"] = {
            "row": place.row,
            "segment": place.segment,
            "num_input_tokens": place.num_input_tokens,
            "num_target_tokens": place.num_target_tokens,
        }
    return shown


def _bar(lengths: Sequence[int], width: int) -> str:
    """Segments in turn dark and light, padding as dots: `████▒▒██····`."""
    bar, end, drawn = "", 0, 0
    for number, length in enumerate(lengths):
        end += length
        until = round(end / width * _BAR_WIDTH)
        bar += "█▒"[number % 2] * (until - drawn)
        drawn = until
    return bar + "·" * (_BAR_WIDTH - drawn)


def _share(used: int, width: int) -> str:
    return f"{used}/{width} ({100 * used / width:.0f} %)"
