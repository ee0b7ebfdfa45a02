"""Plans for TPUs: what is read from a compiled program, what is compiled at all, and one real compilation."""

import json
import re

import jax
import jax.numpy as jnp
import pytest

from flan_cli.main import run
from flan_trainer.plan import hlo, topology
from flan_trainer.plan.__main__ import make_run
from flan_trainer.plan.candidate import Candidate
from flan_trainer.plan.compile import Bytes, Compiled
from flan_trainer.plan.predict import Predicted, Workload
from flan_trainer.plan.search import Entry, list_candidates, search
from flan_trainer.plan.topology import Chip, PlanError

GIB = 2**30
CHIP = Chip(memory=16 * GIB, flops=1e14, interconnect=1e11)

LOOP = """HloModule step, is_scheduled=true

%all-reduce-scatter.1 (input.1: f32[64,8]) -> f32[16,8] {
  %input.1 = f32[64,8]{1,0:T(8,128)} parameter(0)
  %all-reduce.1 = f32[64,8]{1,0:T(8,128)} all-reduce(%input.1), replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
  ROOT %slice.1 = f32[16,8]{1,0} slice(%all-reduce.1), slice={[0:16], [0:8]}
}

%heads (a: bf16[4,8,16], b: bf16[4,8,16]) -> f32[4,8,8] {
  %a = bf16[4,8,16]{2,1,0:T(8,128)(2,1)} parameter(0)
  %b = bf16[4,8,16]{2,1,0:T(8,128)(2,1)} parameter(1)
  ROOT %c = f32[4,8,8]{2,1,0} convolution(%a, %b), window={size=4 stride=3 lhs_dilate=4}, dim_labels=0bf_0oi->0bf
}

%body (state: (s32[], bf16[4,8,16])) -> (s32[], bf16[4,8,16]) {
  %state = (s32[]{:T(256)}, bf16[4,8,16]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %x = bf16[4,8,16]{2,1,0:T(8,128)(2,1)} get-tuple-element(%state), index=1
  %i = s32[]{:T(256)} get-tuple-element(%state), index=0
  %fusion.1 = f32[4,8,8]{2,1,0} fusion(%x, %x), kind=kOutput, calls=%heads
  %all-gather.1 = bf16[16,8,16]{2,1,0} all-gather(%x), replica_groups=[2,4]<=[8], dimensions={0}
  ROOT %tuple.1 = (s32[]{:T(256)}, bf16[4,8,16]{2,1,0:T(8,128)(2,1)}) tuple(%i, %x)
}

%condition (state.1: (s32[], bf16[4,8,16])) -> pred[] {
  %state.1 = (s32[]{:T(256)}, bf16[4,8,16]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %i.1 = s32[]{:T(256)} get-tuple-element(%state.1), index=0
  %limit = s32[]{:T(256)} constant(64)
  ROOT %lt = pred[]{:T(1024)} compare(%i.1, %limit), direction=LT
}

ENTRY %main (p: (s32[], bf16[4,8,16]), q: f32[64,8]) -> f32[16,8] {
  %p = (s32[]{:T(256)}, bf16[4,8,16]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %q = f32[64,8]{1,0:T(8,128)} parameter(1)
  %while.1 = (s32[]{:T(256)}, bf16[4,8,16]{2,1,0:T(8,128)(2,1)}) while(%p), condition=%condition, body=%body
  %all-reduce.2 = f32[64,8]{1,0} all-reduce(%q), replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_1'}, to_apply=%add
  ROOT %fusion.2 = f32[16,8]{1,0} fusion(%all-reduce.2), kind=kCustom, calls=%all-reduce-scatter.1
}
"""


def test_a_loop_counts_as_often_as_it_runs():
    cost = hlo.count(LOOP)
    # 4 heads, each [8, 16] x [16, 8]; as a convolution its window has 4 places of which one meets the input.
    assert cost.flops == 64 * 4 * (2 * 8 * 16 * 8)
    # Each core sends its part, 4 x 8 x 16 bfloat16, to the three others of its group.
    assert cost.sent["all-gather"] == 64 * 3 * (4 * 8 * 16 * 2)


def test_groups_decide_what_a_reduction_sends():
    sent = hlo.count(LOOP).sent
    assert sent["all-reduce"] == 2 * 1 / 2 * (64 * 8 * 4)
    assert sent["reduce-scatter"] == 3 / 4 * (64 * 8 * 4)
    assert sent["all-to-all"] == sent["collective-permute"] == 0


def test_a_collective_that_runs_beside_two_fusions_counts_once():
    gather = "%all-gather.1 = bf16[16,8,16]{2,1,0} all-gather(%x), channel_id=7, replica_groups=[2,4]<=[8]"
    twice = f"{gather}, dimensions={{0}}\n  {gather.replace('gather.1', 'gather.2')}"
    text = re.sub(r"%all-gather\.1 = .*(?=, dimensions)", twice, LOOP)
    assert text.count(" all-gather(") == 2
    assert hlo.count(text).sent == hlo.count(LOOP).sent


def test_products_of_a_scan_are_those_of_its_unrolled_form():
    x, w = jnp.ones((8, 32)), jnp.ones((5, 32, 32))

    def scanned(x, w):
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0].sum()

    program = jax.jit(jax.grad(scanned, argnums=(0, 1))).lower(x, w).compile()
    # Forward, and backward for both factors.
    assert hlo.count(program.as_text()).flops == 3 * 5 * 2 * 8 * 32 * 32


def test_a_loop_without_a_limit_is_not_guessed():
    with pytest.raises(ValueError, match=r"loop while\.1 .* no fixed number of runs"):
        hlo.count(LOOP.replace("constant(64)", "parameter(1)"))


def test_a_core_has_its_share_of_a_chip():
    assert topology.chip_of("v3:8x8").memory == topology.chip_of("v5e:16x16").memory == 16 * GIB
    assert topology.chip_of("v3:8x8").flops == 61.5e12


@pytest.fixture(scope="module")
def small():
    """The run and workload of a small preset."""
    run = make_run("prefix-lm-tiny", 8192, "768,256")
    return run, Workload(run)


def test_parameters_are_those_of_the_public_models():
    run = make_run("t5-1.1-xxl", 8192, "768,256")
    # google/t5-v1_1-xxl has 32128 rows where this has 32000, in the embedding and in the output layer.
    assert Workload(run).parameters == 11_135_332_352 - 2 * 128 * 4096
    # 64 layers of LaMDA's sizes (arXiv:2201.08239, section 3) and a gate for each feed-forward.
    assert 137e9 < Workload(make_run("flan-137b", 8192, "768,256")).parameters < 139e9


def test_every_candidate_divides_rows_heads_and_parameters(small):
    run, workload = small
    layouts = [entry.candidate for entry in list_candidates(run, workload, CHIP, 16)]
    assert {(each.data, each.model) for each in layouts} == {(8, 2), (4, 4)}
    assert {each.remat_policy for each in layouts} == {"none", "minimal", "full"}
    assert len(set(layouts)) == len(layouts) == 2 * 2 * 2 * 3


def test_more_spreading_and_more_remat_are_predicted_to_need_less(small):
    _, workload = small

    def size(*fields):
        return workload.predict(Candidate(*fields), CHIP).bytes

    assert size(4, 2, 1, 1, "none") > size(4, 2, 1, 1, "minimal") > size(4, 2, 1, 1, "full")
    assert size(4, 2, 1, 1, "full") > size(4, 2, 2, 1, "full") > size(4, 2, 2, 2, "full")


def entry(seconds, gib, policy="none"):
    return Entry(Candidate(1, 1, 1, 1, policy), Predicted(gib * GIB, seconds))


def compiled(seconds, gib):
    """Of a step of so many seconds on `CHIP`, in so much memory."""
    if gib > 16:
        return Compiled(1.0, int(gib * GIB), None, None)
    return Compiled(1.0, int(gib * GIB), Bytes(0, int(gib * GIB), 0, 0), hlo.Cost(seconds * CHIP.flops))


def test_a_compiled_layout_that_beats_the_next_prediction_ends_the_search():
    entries = [entry(3.0, 1), entry(1.0, 8), entry(2.0, 4)]
    assert search(entries, CHIP, lambda _: compiled(1.5, 9), most=3) is entries[1]
    assert [each.compiled is not None for each in entries] == [False, True, False]


def test_what_was_predicted_too_small_is_too_small_for_others():
    entries = [entry(1.0, 10), entry(2.0, 9), entry(3.0, 4)]
    results = iter([compiled(0, 20), compiled(3.0, 8)])
    # Twice the prediction: 9 GiB will not do either, 4 GiB should.
    assert search(entries, CHIP, lambda _: next(results), most=2) is entries[2]
    assert entries[1].compiled is None


def test_it_does_not_fit_once_the_smallest_does_not():
    entries = [entry(1.0, 14), entry(2.0, 13), entry(9.0, 3)]
    results = iter([compiled(0, 16.5), compiled(0, 17)])
    assert search(entries, CHIP, lambda _: next(results), most=1) is entries[0]
    assert [each.compiled is not None for each in entries] == [True, False, True]


@pytest.fixture
def flan(capfd):
    """Runs a command line; gives status, output and the last line of faults."""

    def call(*arguments):
        status = run(arguments)
        out, err = capfd.readouterr()
        return status, out, err.strip().splitlines()[-1]

    return call


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--model": "t5"}, "flan: model is 't5'; known: t5-1.1-tiny, "),
        ({"--topology": "v9:2x2"}, "flan: topology is 'v9:2x2'; expected a generation (v3, v4, v5e, v6e)"),
        ({"--batch-tokens": "1000"}, "flan: batch tokens is 1000, but a row has 768 + 256; give a multiple of 1024"),
        ({"--lengths": "768"}, "flan: lengths is '768'; expected INPUTS,TARGETS"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(flan, changed, message):
    given = {"--model": "prefix-lm-tiny", "--topology": "v5e:2x2"} | changed
    status, out, fault = flan("plan", *(part for option in given.items() for part in option))
    assert (status, out) == (2, "")
    assert fault.startswith(message)


def test_a_missing_compiler_is_one_line(flan, monkeypatch, tmp_path):
    monkeypatch.setenv("TPU_LIBRARY_PATH", str(tmp_path / "libtpu.so"))
    status, _, fault = flan("plan", "--model", "prefix-lm-tiny", "--topology", "v5e:2x2")
    assert status == 2
    assert fault == (
        f"flan: libtpu, the TPU compiler, is not at {tmp_path}/libtpu.so, which TPU_LIBRARY_PATH names; "
        "run `make setup EXTRAS=tpu`"
    )


def test_too_few_rows_for_the_cores_say_how_many_would_do(small):
    run, workload = small
    with pytest.raises(
        PlanError, match=r"64 cores have no mesh .* the 8 rows .* --batch-tokens a multiple of 16384,"
    ):
        list_candidates(run, workload, CHIP, 64)


needs_libtpu = pytest.mark.skipif(topology.find_libtpu() is None, reason="needs `make setup EXTRAS=tpu`")


@needs_libtpu
@pytest.mark.slow
def test_a_small_model_is_compiled_by_the_real_compiler(flan):
    status, out, _ = flan(
        "plan", "--model", "prefix-lm-tiny", "--topology", "v5e:2x2", "--lengths", "96,32", "--batch-tokens", "1024",
        "--compilations", "1", "--json",
    )  # fmt: skip
    found = json.loads(out)
    sizes, sent = found["bytes_per_core"], found["collective_bytes"]
    assert status == 0
    assert found["fits"]
    assert (found["cores"], found["core_bytes"]) == (4, 16 * GIB)
    assert found["mesh"]["data"] * found["mesh"]["model"] == 4
    assert sizes["total"] == sum(sizes[name] for name in ("arguments", "temporaries", "output", "code"))
    # The state alone: fp32 parameters, no more than one copy on each core and no less than their share.
    assert found["parameters"] <= sizes["arguments"] <= 4.5 * found["parameters"]
    # Attention comes on top, and what is made anew; the partitioner must not have repeated work on all cores.
    assert 1 <= found["flops"] / found["model_flops"] < 1.6
    assert sent["total"] == pytest.approx(sum(size for kind, size in sent.items() if kind != "total"), abs=3)
    assert sum(each["compiled"] is not None for each in found["candidates"]) == 1


@needs_libtpu
@pytest.mark.slow
def test_a_batch_that_does_not_fit_ends_with_status_1(flan):
    status, out, _ = flan(
        "plan", "--model", "prefix-lm-tiny", "--topology", "v5e:2x2", "--lengths", "96,32",
        "--batch-tokens", str(2**20), "--compilations", "1",
    )  # fmt: skip
    assert status == 1
    assert out.startswith("prefix-lm-tiny on v5e:2x2 does not fit: ")
