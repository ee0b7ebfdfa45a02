"""DatagenService: rendered examples for previews and for evaluation, and what the catalog holds."""

from collections.abc import Iterator, Sequence

import grpc
import numpy as np

from flan.v1 import datagen_service_pb2 as pb
from flan.v1 import datagen_service_pb2_grpc, example_pb2
from flan_datagen import keyed
from flan_datagen.catalog import Entry, load_catalog
from flan_datagen.fit import fit_inputs, with_eos
from flan_datagen.mixture import draw_exemplars
from flan_datagen.pack import pack
from flan_datagen.pool import DEV, TEST, Pool, Pools
from flan_datagen.render import Prompt, drawable_templates, prompt
from flan_shared.errors import DataError, FlanError, SpecError
from flan_shared.serving import translated
from flan_shared.tokenizer import Tokenizer

SERVICE = "flan.v1.DatagenService"

_ANSWER_KINDS = {
    "classification": example_pb2.ANSWER_KIND_CLASSIFICATION,
    "multiple_choice": example_pb2.ANSWER_KIND_MULTIPLE_CHOICE,
    "span": example_pb2.ANSWER_KIND_SPAN,
    "free_text": example_pb2.ANSWER_KIND_FREE_TEXT,
}
_CODES = {SpecError: grpc.StatusCode.INVALID_ARGUMENT, DataError: grpc.StatusCode.NOT_FOUND}
_EVERY_ROW = 2**62
"""The cap of a preview: none."""
_MOST_SHOTS = 16


class DatagenServicer(datagen_service_pb2_grpc.DatagenServiceServicer):
    """Stateless but for the datasets it has read."""

    def __init__(self, pools: Pools, tokenizer: Tokenizer | None) -> None:
        """Args:
        pools: the data.
        tokenizer: counts tokens for packing; None where the service was started without one.
        """
        self._pools = pools
        self._tokenizer = tokenizer

    def StreamExamples(
        self, request: pb.StreamExamplesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.StreamExamplesResponse]:
        """See the contract."""
        with translated(context, {**_CODES, FlanError: grpc.StatusCode.INTERNAL}):
            entries = self._entries(request)
            examples = (example for entry in entries for example in self._examples(entry, request))
            if request.pack:
                examples = iter(self._packed(list(examples), request.lengths))
            for example in examples:
                yield pb.StreamExamplesResponse(example=example)

    def ListDatasets(
        self, request: pb.ListDatasetsRequest, context: grpc.ServicerContext
    ) -> pb.ListDatasetsResponse:
        """See the contract."""
        return pb.ListDatasetsResponse(datasets=[self._info(entry) for entry in load_catalog().values()])

    def _entries(self, request: pb.StreamExamplesRequest) -> list[Entry]:
        catalog = load_catalog()
        if not request.datasets:
            raise SpecError(f"datasets is empty; expected at least one of {', '.join(catalog)}")
        for name in request.datasets:
            if name not in catalog:
                raise SpecError(f"there is no dataset {name!r}; expected one of {', '.join(catalog)}")
            num = len(catalog[name].templates)
            if request.HasField("template") and not 0 <= request.template < num:
                raise SpecError(
                    f"dataset {name!r} has no template {request.template}; expected 0 to {num - 1}"
                )
        if not 0 <= request.num_shots <= _MOST_SHOTS:
            raise SpecError(f"num_shots is {request.num_shots}; expected 0 to {_MOST_SHOTS}")
        if request.num_rows < 0:
            raise SpecError(f"num_rows is {request.num_rows}; expected 0 (all) or more")
        if request.pack and not request.HasField("lengths"):
            raise SpecError("pack is set without lengths; give the lengths of a row")
        if request.HasField("lengths"):
            if self._tokenizer is None:
                raise SpecError("lengths need a tokenizer; start datagen with --tokenizer FILE")
            if request.lengths.inputs < 2 or request.lengths.targets < 2:
                raise SpecError(
                    f"lengths are {request.lengths.inputs} inputs and {request.lengths.targets} targets; "
                    "expected at least 2 each"
                )
        return [catalog[name] for name in request.datasets]

    def _examples(self, entry: Entry, request: pb.StreamExamplesRequest) -> Iterator[example_pb2.Example]:
        pool = self._pools.sample(self._pool(entry, request), seed=request.seed, num_rows=request.num_rows)
        templates = (
            [request.template]
            if request.HasField("template")
            else drawable_templates(
                entry, per_dataset=len(entry.templates), turned_around=request.turned_around
            )
        )
        split = request.split or example_pb2.SPLIT_TRAIN
        template_key = keyed.key(request.seed, entry.id, "evaluation template")
        rows = pool.take(np.arange(len(pool)))
        # The draw hangs on the row's own name, not on its place: a larger sample asks the same rows the same way.
        names = np.array([keyed.key(0, row["part"], row["split"], row["row"]) for row in rows], np.uint64)
        for row, choice in zip(rows, keyed.choices(template_key, names, len(templates)), strict=True):
            index = templates[choice]
            template = entry.templates[index]
            shots = self._exemplars(entry, row, split, request)
            rendered = prompt(entry, row, template, shots)
            yield example_pb2.Example(
                dataset=entry.id,
                cluster=entry.cluster,
                part=row["part"],
                split=split,
                row=row["row"],
                template=index,
                turned_around=template.turned_around,
                inputs=self._inputs(rendered, request),
                targets=rendered.targets,
                options=() if template.turned_around else row["options"] or (),
                # A template may ask for another field than the answer (translation into the other language).
                references=row["references"] if template.targets == "{answer}" else [rendered.targets],
                answer_kind=_ANSWER_KINDS[entry.answer_kind],
                metrics=entry.metrics,
            )

    def _inputs(self, rendered: Prompt, request: pb.StreamExamplesRequest) -> str:
        text = rendered.inputs()
        if self._tokenizer is None or not request.HasField("lengths"):
            return text
        length = request.lengths.inputs
        if len(self._tokenizer.encode([text])[0]) < length:
            return text
        return self._tokenizer.decode(fit_inputs(rendered, self._tokenizer, length))

    def _pool(self, entry: Entry, request: pb.StreamExamplesRequest) -> Pool:
        if request.split == DEV:
            return self._pools.dev(entry)
        if request.split == TEST:
            return self._pools.test(entry)
        return self._pools.train(entry, seed=request.seed, cap=_EVERY_ROW)

    def _exemplars(
        self, entry: Entry, row: dict, split: int, request: pb.StreamExamplesRequest
    ) -> Sequence[dict]:
        if not request.num_shots:
            return ()
        train = self._pools.train(entry, seed=request.seed, cap=_EVERY_ROW)
        key = keyed.key(request.seed, entry.id, "evaluation exemplar", row["part"], row["row"])
        # One more than asked for, because a preview of training rows may meet its own query.
        numbers = draw_exemplars(key, len(train), request.num_shots + 1, query=None)
        same = (row["part"], row["split"], row["row"])
        others = [
            shot
            for shot in train.take(np.array(numbers))
            if (shot["part"], shot["split"], shot["row"]) != same and shot["defect"] is None
        ]
        return others[: request.num_shots]

    def _packed(
        self, examples: list[example_pb2.Example], lengths: pb.RowLengths
    ) -> list[example_pb2.Example]:
        inputs = [
            with_eos(ids, lengths.inputs) for ids in self._tokenizer.encode([e.inputs for e in examples])
        ]
        targets = [
            with_eos(ids, lengths.targets) for ids in self._tokenizer.encode([e.targets for e in examples])
        ]
        num_inputs, num_targets = (
            np.array([len(ids) for ids in part], np.int64) for part in (inputs, targets)
        )
        packed = []
        for row, members in enumerate(
            pack(num_inputs, num_targets, inputs=lengths.inputs, targets=lengths.targets)
        ):
            for segment, number in enumerate(members, start=1):
                examples[number].placement.CopyFrom(
                    example_pb2.Placement(
                        row=row,
                        segment=segment,
                        num_input_tokens=num_inputs[number],
                        num_target_tokens=num_targets[number],
                    )
                )
                packed.append(examples[number])
        return packed

    def _info(self, entry: Entry) -> pb.DatasetInfo:
        return pb.DatasetInfo(
            id=entry.id,
            cluster=entry.cluster,
            num_templates=len(entry.templates),
            answer_kind=_ANSWER_KINDS[entry.answer_kind],
            metrics=entry.metrics,
            licence=entry.licence,
            available=self._pools.available(entry),
        )
