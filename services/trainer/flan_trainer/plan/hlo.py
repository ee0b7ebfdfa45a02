"""What a compiled program does, read from its text: operations of its products, and bytes between cores.

XLA's own cost analysis counts the body of a loop once, however often it runs, which for 64 scanned layers is off by
far. Here a body counts as often as its condition lets it run. The text is that of one core: all figures are its share.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

_BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16}
_ARRAY = re.compile(r"\b(pred|bf16|[a-z]+\d+\w*)\[([\d,]*)\]")
_HEAD = re.compile(r"^(?:ENTRY )?%([\w.\-]+) \(.*\{$")
_CALLED = re.compile(r"\b(?:calls|to_apply|body)=%([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}|\b(?:true|false)_computation=%([\w.\-]+)")


@dataclass
class Cost:
    """One core's share of one run of a program."""

    flops: float = 0.0
    """Additions and multiplications of the matrix products."""
    sent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COLLECTIVES, 0.0))
    """Bytes that the core sends by kind of collective, as ring algorithms do it: an all-gather of n parts sends
    n - 1 of them, an all-reduce twice (n - 1) / n of its operand."""

    def add(self, other: "Cost", times: float = 1) -> None:
        self.flops += times * other.flops
        for kind, sent in other.sent.items():
            self.sent[kind] += times * sent


@dataclass(frozen=True)
class _Instruction:
    name: str
    type: str
    opcode: str
    operands: tuple[str, ...]
    rest: str
    """Attributes; of a constant its value."""


def count(text: str) -> Cost:
    """The cost of a program, from `Compiled.as_text()`.

    Raises:
      ValueError: a loop whose number of runs cannot be read.
    """
    computations = dict(_computations(text))
    entry = re.search(r"^ENTRY %([\w.\-]+)", text, re.MULTILINE)
    if entry is None:
        raise ValueError("the text is not a program: it has no ENTRY")
    return _cost(entry[1], computations, {})


def _computations(text: str) -> Iterator[tuple[str, list[_Instruction]]]:
    name, body = None, []
    for line in text.splitlines():
        if head := _HEAD.match(line):
            name, body = head[1], []
        elif line == "}" and name:
            yield name, body
            name = None
        elif name and " = " in line:
            body.append(_instruction(line))


def _instruction(line: str) -> _Instruction:
    name, _, right = line.strip().removeprefix("ROOT ").partition(" = ")
    end = _closing(right, 0) if right.startswith("(") else right.index(" ")
    opcode, _, _ = right[end:].lstrip().partition("(")
    start = right.index("(", end)
    close = _closing(right, start)
    inside = right[start + 1 : close - 1]
    operands = tuple(re.findall(r"%([\w.\-]+)", inside))
    rest = inside if opcode in ("constant", "parameter") else right[close:]
    return _Instruction(name.lstrip("%"), right[:end], opcode.strip(), operands, rest)


def _closing(text: str, start: int) -> int:
    """The place behind the parenthesis that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place + 1
    raise ValueError(f"a line of the program has no end: {text[:80]}")


def _cost(name: str, computations: Mapping[str, list[_Instruction]], known: dict[str, Cost]) -> Cost:
    if name in known:
        return known[name]
    cost, seen = Cost(), set()
    for inside, types, each in _with_fusions(name, computations):
        base = each.opcode.removesuffix("-start")
        if each.opcode == "dot":
            cost.flops += _dot_flops(each, types)
        elif each.opcode == "convolution":
            cost.flops += _convolution_flops(each, types)
        elif base in COLLECTIVES:
            # One that runs beside several fusions is written in each of them, under one channel. A permutation has
            # none of its own.
            channel = re.search(r"\bchannel_id=(\d+)", each.rest)
            if base != "collective-permute" and channel:
                if (base, channel[1]) in seen:
                    continue
                seen.add((base, channel[1]))
            # On TPU a reduce-scatter is a fusion of an all-reduce and a slice, known by its name.
            kind = "reduce-scatter" if inside.startswith("all-reduce-scatter") else base
            cost.sent[kind] += _sent(kind, each, types)
        elif each.opcode in ("call", "while"):
            times = _runs(each, computations) if each.opcode == "while" else 1
            for called in _CALLED.findall(each.rest):
                cost.add(_cost(called, computations, known), times)
        elif each.opcode == "conditional":
            listed = [part for found in _BRANCHES.findall(each.rest) for part in found if part]
            names = [part.strip().lstrip("%") for each_list in listed for part in each_list.split(",")]
            # At most one branch runs; the dearest stands for all.
            cost.add(max((_cost(branch, computations, known) for branch in names), key=lambda c: c.flops))
    known[name] = cost
    return cost


def _with_fusions(
    name: str, computations: Mapping[str, list[_Instruction]]
) -> Iterator[tuple[str, Mapping[str, str], _Instruction]]:
    """The instructions of a computation and of the fusions in it: where each stands, the types there, and itself."""
    types = {each.name: each.type for each in computations[name]}
    for each in computations[name]:
        yield name, types, each
        if each.opcode in ("fusion", "async-start"):
            for called in _CALLED.findall(each.rest):
                yield from _with_fusions(called, computations)


def _runs(loop: _Instruction, computations: Mapping[str, list[_Instruction]]) -> int:
    if told := re.search(r'known_trip_count"?:\{"n":"(\d+)"', loop.rest):
        return int(told[1])
    found = re.search(r"\bcondition=%([\w.\-]+)", loop.rest)
    condition = computations[found[1]] if found else []
    limits = {
        int(each.rest) for each in condition if each.opcode == "constant" and re.match(r"[su]\d", each.type)
    }
    if len(limits) != 1:
        raise ValueError(f"the loop {loop.name} of the program has no fixed number of runs")
    return limits.pop()


def _dims(type_: str) -> list[int]:
    found = _ARRAY.search(type_)
    return [int(size) for size in found[2].split(",") if size] if found else []


def _num_bytes(type_: str) -> float:
    return sum(
        math.prod(int(size) for size in dims.split(",") if size) * _bits(dtype) / 8
        for dtype, dims in _ARRAY.findall(type_)
    )


def _bits(dtype: str) -> int:
    return _BITS.get(dtype) or int(re.search(r"\d+", dtype)[0])


def _dot_flops(each: _Instruction, types: Mapping[str, str]) -> float:
    contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", each.rest)
    left = _dims(types[each.operands[0]])
    depth = math.prod(left[int(axis)] for axis in contracted[1].split(",") if axis) if contracted else 1
    return 2.0 * math.prod(_dims(each.type)) * depth


def _convolution_flops(each: _Instruction, types: Mapping[str, str]) -> float:
    """On TPU products are convolutions, axes of batches and heads among them as spatial axes of odd windows."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", each.rest)
    (image, kernel), out = (_dims(types[name]) for name in each.operands[:2]), _dims(each.type)
    by_label = [
        dict(zip(label, sizes, strict=True))
        for label, sizes in zip(labels.groups(), (image, kernel, out), strict=True)
    ]
    flops = 2.0 * by_label[2]["b"] * by_label[2]["f"] * by_label[1]["i"]
    window = dict(
        re.findall(r"(\w+)=([\dx_\-]+)", (re.search(r"window=\{([^}]*)\}", each.rest) or ["", ""])[1])
    )
    for axis in range(len(out) - 2):
        size, stride, lhs, rhs = (
            int(window[name].split("x")[axis]) if name in window else 1
            for name in ("size", "stride", "lhs_dilate", "rhs_dilate")
        )
        low = int(window["pad"].split("x")[axis].split("_")[0]) if "pad" in window else 0
        num_in, num_out = by_label[0][str(axis)], by_label[2][str(axis)]
        flops *= _num_valid(num_in, num_out, size=size, stride=stride, low=low, lhs=lhs, rhs=rhs)
    return flops


def _num_valid(num_in: int, num_out: int, *, size: int, stride: int, low: int, lhs: int, rhs: int) -> int:
    """Pairs of places of the output and of the window that meet an element of the input."""
    places = (o * stride + w * rhs - low for o in range(num_out) for w in range(size))
    return sum(0 <= place <= (num_in - 1) * lhs and place % lhs == 0 for place in places)


def _sent(kind: str, each: _Instruction, types: Mapping[str, str]) -> float:
    operand = sum(_num_bytes(types[name]) for name in each.operands)
    if kind == "collective-permute":
        return operand
    n = _group_size(each.rest)
    return operand * {"all-reduce": 2 * (n - 1) / n, "all-gather": n - 1}.get(kind, (n - 1) / n)


def _group_size(attributes: str) -> int:
    """Cores of one group, in each of the three ways in which XLA writes groups."""
    _, _, groups = attributes.partition("replica_groups=")
    if found := re.match(r"\[\d+,(\d+)\]<=", groups):
        return int(found[1])
    if found := re.match(r"mesh\[([^\]]*)\].*? \{([^}]*)\}", groups):
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", found[1]))
        return math.prod(int(sizes[axis]) for axis in re.findall(r"'(\w+)'", found[2]))
    if found := re.match(r"\{\{([\d,]*)\}", groups):
        return len(found[1].split(","))
    raise ValueError(f"the groups of a collective cannot be read: {groups[:80]}")
