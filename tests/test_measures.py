"""The numbers that a trainer tells of its steps."""

import numpy as np
import pytest
from specs import small_spec

from flan_trainer.engines.base import StepMetrics
from flan_trainer.measures import Measures


def of_step(loss, by_cluster=None):
    return StepMetrics(loss, 0.01, 10.0, 0.25, 0.001, 2.0, 5.0, by_cluster)


def clusters(spec, **tokens):
    """By name the sum of losses and the number of tokens."""
    array = np.zeros((2, len(spec.trained_clusters)), np.float32)
    for name, pair in tokens.items():
        array[:, spec.trained_clusters.index(name)] = pair
    return array


def test_sums_are_of_the_steps_since_they_were_taken_last():
    spec = small_spec()
    measures = Measures(spec)
    measures.add(of_step(3.0, clusters(spec, sentiment=(8, 4), commonsense=(3, 1))), 300)
    measures.add(of_step(2.0, clusters(spec, sentiment=(4, 2))), 340)
    told = measures.take(of_step(2.0), waited_s=0.5)
    assert (told["loss"], told["accuracy"], told["wait_ms"]) == (2.0, 0.25, 250.0)
    assert told["non_padding_fraction"] == pytest.approx(640 / (2 * 4 * (128 + 32)))
    by_cluster = {name: value for name, value in told.items() if "/" in name}
    assert by_cluster == {"loss_by_cluster/sentiment": 2.0, "loss_by_cluster/commonsense": 3.0}
    measures.add(of_step(1.0, clusters(spec, commonsense=(6, 3))), 100)
    told = measures.take(of_step(1.0), waited_s=0.5)
    assert told["wait_ms"] == 0
    assert {name for name in told if "/" in name} == {"loss_by_cluster/commonsense"}


def test_utilisation_is_of_the_devices_peak_and_only_told_where_that_is_known():
    spec = small_spec()
    assert "model_flops_utilisation" not in Measures(spec).take(of_step(1.0), waited_s=0)
    measures = Measures(spec, step_flops=50.0, peak_flops=1000.0)
    measures.add(of_step(1.0), 10)
    told = measures.take(of_step(1.0), waited_s=0)
    assert told["model_flops_utilisation"] == pytest.approx(50 / (told["step_ms"] / 1000) / 1000)
