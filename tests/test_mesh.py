"""Where state and batch lie, in both forms of the layers, without a device."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec
from test_step import family_spec

from flan_shared.checkpoint import flatten
from flan_trainer.engines import EngineError
from flan_trainer.engines.mesh import axis_rules, lay_out, make_mesh

pytestmark = pytest.mark.slow

MESH = AbstractMesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def specs_of(tree) -> dict[str, PartitionSpec]:
    return {path: leaf.sharding.spec for path, leaf in flatten(tree).items()}


@pytest.mark.parametrize("scan_layers", [False, True])
def test_parameters_lie_by_the_names_of_their_axes_and_slots_with_them(scan_layers):
    run = family_spec("t5_1_1", {"model.scan_layers": str(scan_layers).lower()})
    state = lay_out(run, MESH).state
    found, layers = specs_of(state.params), (None,) if scan_layers else ()
    layer = "decoder/layers" if scan_layers else "decoder/layers_1"
    assert found["token_embedder/embedding"] == PartitionSpec("model", None)
    assert found["decoder/logits_dense/kernel"] == PartitionSpec(None, "model")
    assert found[f"{layer}/mlp/wi_0/kernel"] == PartitionSpec(*layers, None, "model")
    assert found[f"{layer}/mlp/wo/kernel"] == PartitionSpec(*layers, "model", None)
    assert found[f"{layer}/self_attention/query/kernel"] == PartitionSpec(*layers, None, "model")
    factored = state.opt_state
    # The embedding is factored here; the biases are too narrow, so that their slot has their shape.
    assert specs_of(factored.v)["decoder/relpos_bias/rel_embedding"] == PartitionSpec("model", None)
    assert not any(specs_of(factored.v_row)[f"{layer}/mlp/wo/kernel"])
    assert not any(specs_of(factored.v_col)["token_embedder/embedding"])


def test_two_dimensions_of_parameters_are_spread_where_the_rules_say_so():
    layout = lay_out(family_spec("prefix_lm"), MESH, rules=axis_rules(parameter_dims=2))
    found = specs_of(layout.state.params)
    assert found["decoder/layers_0/mlp/wo/kernel"] == PartitionSpec("model", "data")
    assert found["decoder/token_embedder/embedding"] == PartitionSpec("model", "data")
    assert found["decoder/decoder_norm/scale"] == PartitionSpec("data")


@pytest.mark.parametrize(
    ("rows", "microbatches", "expected"), [(4, 1, 4), (4, 2, 8), (9, 3, 12), (16, 2, 16)]
)
def test_rows_fill_every_part_on_every_device(rows, microbatches, expected):
    run = family_spec("t5_1_1", {"packing.batch_rows": str(rows), "train.microbatches": str(microbatches)})
    layout = lay_out(run, MESH)
    assert layout.rows == expected
    lengths = {name: leaf.shape[1] for name, leaf in layout.batch.items()}
    assert {n.split("_")[0]: length for n, length in lengths.items()} == run.row_lengths
    assert {leaf.sharding.spec for leaf in layout.batch.values()} == {PartitionSpec("data")}


def test_laying_out_asks_for_no_device():
    script = """
        from test_mesh import *
        layout = lay_out(family_spec("t5_1_1", {"model.scan_layers": "true"}), MESH)
        with pytest.raises(RuntimeError, match="nowhere"):
            jax.devices()
        print(layout.rows)
    """
    process = start(script, JAX_PLATFORMS="nowhere")
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out) == (0, "4\n"), err


PROCESS = """
    import sys
    import jax
    if sys.argv[1:]:
        jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
    import numpy as np
    from test_step import family_batch, family_spec
    from flan_shared.checkpoint import flatten
    from flan_trainer.engines import open_engine
    engine = open_engine(family_spec("prefix_lm", {"model.scan_layers": "true"}))
    engine.initialise()
    # Of the four rows each process gives its half; those of the second one are empty in the second batch.
    begin, end = (2 * jax.process_index(), 2 * jax.process_index() + 2) if sys.argv[1:] else (0, 4)
    whole = [family_batch("prefix_lm", 0), family_batch("prefix_lm", 1)]
    for array in whole[1].values():
        array[2:] = 0
    losses = [
        engine.train_step({name: array[begin:end] for name, array in batch.items()}).fetch()["loss"] for batch in whole
    ]
    sums = [float(np.float64(leaf).sum()) for leaf in flatten(engine.parameters()).values()]
    print(jax.process_count(), jax.device_count(), *losses, *sums)
"""


def start(script: str, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
        env={**os.environ, **environment},
    )


def test_two_processes_that_give_half_of_the_rows_each_train_as_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = [start(PROCESS, address, str(number)) for number in range(2)] + [start(PROCESS)]
    ends = [process.communicate(timeout=250) for process in started]
    assert not any(process.returncode for process in started), ends
    # Gloo, which carries the sums between the processes, tells stdout of its connections.
    first, second, alone = ([float(word) for word in out.splitlines()[-1].split()] for out, _ in ends)
    assert (first[:2], alone[:2]) == ([2, 2], [1, 1])
    assert first == second
    assert first[2:] == pytest.approx(alone[2:], rel=1e-4, abs=1e-4)


def test_a_copy_of_the_parameters_spread_over_devices_trains_as_a_whole_one():
    script = """
        import sys
        from test_step import family_batch, family_spec
        from flan_shared.checkpoint import flatten
        from flan_trainer.engines import open_engine
        engine = open_engine(family_spec("t5_1_1"), model_parallel=int(sys.argv[1]))
        engine.initialise()
        losses = [engine.train_step(family_batch("t5_1_1", seed)).fetch()["loss"] for seed in range(2)]
        kernel = flatten(engine._made_state.params)["decoder/layers_0/mlp/wi_0/kernel"]
        print(kernel.addressable_shards[0].data.shape[1] / kernel.shape[1], *losses)
    """
    two_devices = "--xla_force_host_platform_device_count=2"
    started = [start(script, str(spread), XLA_FLAGS=two_devices) for spread in (2, 1)]
    ends = [process.communicate(timeout=250) for process in started]
    assert not any(process.returncode for process in started), ends
    spread, whole = ([float(word) for word in out.splitlines()[-1].split()] for out, _ in ends)
    assert (spread[0], whole[0]) == (0.5, 1.0)
    assert spread[1:] == pytest.approx(whole[1:], rel=1e-5)


def test_devices_that_cannot_be_divided_are_refused():
    assert make_mesh().shape == {"data": jax.device_count(), "model": 1}
    with pytest.raises(EngineError, match="model_parallel is 3, but there are 4 devices"):
        make_mesh(3, [None] * 4)
