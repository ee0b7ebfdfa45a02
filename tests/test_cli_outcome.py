"""What a run is said to have come to: the table, the verdict, the accounting, the JSON."""

import io
import json

import pytest
from rich.console import Console

from flan.v1.batch_pb2 import QuarantinedRow
from flan.v1.evaluator_service_pb2 import DatasetResult, EvaluationProgress
from flan_cli.errors import ServiceFailedError
from flan_cli.evaluations import Evaluated, Found
from flan_cli.outcome import Result, Score, judge, pair_scores
from flan_cli.progress import Display, plain_line
from flan_cli.standing import Standing, checkpoint_steps
from flan_cli.table import print_outcome
from flan_shared.spec import parse_spec

ACCOUNTING = {"drawn": 1200, "trained": 1190, "dropped": 7, "quarantined": 3}
RESULT = {
    "run": "demo-12345678",
    "final_digest": "ab" * 32,
    "seconds": 12.5,
    "steps": 40,
    "loss_first": 8.25,
    "loss_last": 2.5,
    "accounting": ACCOUNTING,
    "windows": 3,
}


def score(
    before: float | None, after: float | None, *, n: int = 200, metric: str = "accuracy", **fields
) -> Score:
    settings = {
        "dataset": "rte",
        "cluster": "nli",
        "main": True,
        "n_before": n,
        "num_unscored_before": 0,
        "num_unscored": 0,
        "chance": 50.0,
        **fields,
    }
    return Score(metric=metric, n=n, before=before, after=after, **settings)


def result(dataset: str, metric: str, value: float, **fields) -> DatasetResult:
    settings = {"cluster": "nli", "main": True, "n": 100, "chance": 50.0, **fields}
    return DatasetResult(dataset=dataset, metric=metric, value=value, **settings)


def printed(scores: list[Score], quarantined=()) -> str:
    out = io.StringIO()
    print_outcome(Result(**RESULT), scores, quarantined, console=Console(file=out, width=110))
    return out.getvalue()


def test_change_within_the_noise_is_no_effect():
    verdict = judge([score(50, 58, n=100), score(50, 50, n=100, dataset="cb")])
    # 1.96 * sqrt(0.25 / 104 + 0.25 / 104) / 2 datasets, once for each checkpoint.
    assert verdict.noise == pytest.approx(13.55, abs=0.01)
    assert verdict.sentence == "no effect seen: mean over 2 datasets 50.0 -> 54.0, change +4.0 ± 13.5"


def test_change_of_one_constant_answer_to_the_other_is_no_effect():
    # Right on 83 of 200 with "yes", then on the other 117 with "no".
    assert judge([score(41.5, 58.5, n=200), score(50, 50, n=200, dataset="cb")]).sentence.startswith(
        "no effect"
    )


def test_change_beyond_the_noise_is_told_with_its_sign():
    assert judge([score(40, 80)]).sentence.startswith("tuning helped: mean over 1 dataset 40.0 -> 80.0")
    assert judge([score(70, 40)]).sentence.startswith("tuning hurt: mean over 1 dataset 70.0 -> 40.0")


def test_rise_to_chance_is_not_sold_as_more():
    assert judge([score(20, 52)]).sentence.startswith("tuning helped, but not beyond chance (50.0 ± ")


def test_zero_of_a_few_is_not_known_without_error():
    assert judge([score(0, 0, n=10)]).noise > 10


def test_each_dataset_counts_once_and_only_by_a_proportion():
    verdict = judge(
        [
            score(10, 20, metric="f1"),
            score(40, 44),
            score(50, 56, dataset="squad", metric="exact_match", chance=None),
            score(1, 99, dataset="xsum", metric="rouge1", chance=None),
        ]
    )
    assert (verdict.num_datasets, verdict.before, verdict.after) == (2, 45, 50)
    assert verdict.chance is None


def test_without_a_proportion_there_is_no_verdict():
    scores = [score(1, 99, metric="bleu")]
    assert judge(scores) is None
    assert "No verdict: no held-out metric here is a proportion" in printed(scores)


def test_each_score_has_the_noise_of_its_own_examples():
    verdict = judge([score(50, 50, n_before=21, n=96)])
    # 1.96 * (sqrt(0.25 / 25) + sqrt(0.25 / 100))
    assert verdict.noise == pytest.approx(29.4, abs=0.01)
    assert verdict.chance[1] == pytest.approx(9.8, abs=0.01)


def test_score_of_no_example_is_absent_and_in_no_verdict():
    before = [result("rte", "accuracy", 0, n=0, num_unscored=100), result("cb", "accuracy", 30)]
    after = [result("rte", "accuracy", 55), result("cb", "accuracy", 40)]
    scores = pair_scores(before, after, ["rte", "cb"])
    assert (scores[0].before, scores[0].after, scores[0].change) == (None, 55, None)
    assert judge(scores).num_datasets == 1
    text = printed(scores)
    assert ["rte", "nli", "accuracy", "100", "-", "55.0", "-", "50.0"] in [
        line.split() for line in text.splitlines()
    ]
    assert "rte accuracy: 100 examples could not be scored before tuning" in text
    assert '"before": null, "after": 55.0' in json.dumps(Result(**RESULT).to_json(scores))


def test_where_nothing_could_be_scored_the_missing_verdict_says_so():
    scores = [score(None, None, n=0)]
    assert judge(scores) is None
    assert "No verdict: what it would rest on could not be scored" in printed(scores)


def test_scores_are_paired_by_dataset_and_metric_main_metric_first():
    before = [result("rte", "accuracy", 50), result("cb", "f1", 20), result("cb", "accuracy", 30, main=False)]
    after = [result("cb", "accuracy", 60, main=False), result("cb", "f1", 40), result("rte", "accuracy", 55)]
    scores = pair_scores(before, after, ["cb", "rte"])
    assert [(each.dataset, each.metric, each.change) for each in scores] == [
        ("cb", "f1", 20),
        ("cb", "accuracy", 30),
        ("rte", "accuracy", 5),
    ]


def test_dataset_without_a_result_is_a_failure():
    one = [result("rte", "accuracy", 50)]
    with pytest.raises(ServiceFailedError, match="no result for held-out dataset 'cb'"):
        pair_scores(one, one, ["cb", "rte"])


def test_table_shows_every_metric_with_n_and_chance():
    text = printed([score(40, 70.25, n=277), score(1, 2, metric="rouge1", dataset="xsum", chance=None)])
    rows = [line.split() for line in text.splitlines()]
    assert ["rte", "nli", "accuracy", "277", "40.0", "70.2", "+30.2", "50.0"] in rows
    assert ["xsum", "nli", "rouge1", "200", "1.0", "2.0", "+1.0", "-"] in rows


def test_end_of_a_run_tells_accounting_loss_and_digest():
    text = printed([score(40, 70, num_unscored=2)])
    assert "examples: 1,200 drawn = 1,190 trained + 7 dropped + 3 quarantined" in text
    assert "loss 8.250 -> 2.500" in text
    assert f"final digest: {'ab' * 32}" in text
    assert "rte accuracy: 2 examples could not be scored after tuning" in text


def test_five_quarantined_rows_are_shown_and_the_rest_counted():
    rows = [
        QuarantinedRow(dataset="rte", row=f"/train/{i}", cause="field [premise] is empty") for i in range(7)
    ]
    text = printed([score(40, 70)], rows)
    assert text.count("field [premise] is empty") == 5
    assert "and 2 rows more" in text


def test_json_has_exactly_the_promised_keys():
    written = Result(**RESULT).to_json([score(40, 70)])
    assert list(written) == [*list(RESULT)[:6], "heldout", "accounting"]
    assert written["heldout"] == [
        {
            "dataset": "rte",
            "cluster": "nli",
            "metric": "accuracy",
            "n": 200,
            "before": 40,
            "after": 70,
            "chance": 50.0,
        }
    ]


def test_result_whose_draws_do_not_add_up_is_a_failure(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    assert Result.load(path).accounting == ACCOUNTING
    path.write_text(json.dumps({**RESULT, "accounting": {**ACCOUNTING, "trained": 1189}}))
    with pytest.raises(ServiceFailedError, match="1,200 examples were drawn, but 1,199 are accounted for"):
        Result.load(path)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"run": "x"'])
def test_missing_or_broken_result_is_a_failure(tmp_path, content):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(ServiceFailedError, match="without a result"):
        Result.load(tmp_path / "result.json")


def test_checkpoints_are_step_0_every_so_many_and_the_last():
    spec = parse_spec(
        "{name: a, seed: 1, mixture: {datasets: {sentiment: [sst2]}}, heldout: {nli: [rte]}, "
        "tokenizer: {}, train: {steps: 7}, checkpoint: {every_steps: 3}}"
    )
    assert checkpoint_steps(spec) == [0, 3, 6, 7]


def standing_in_the_middle() -> Standing:
    standing = Standing(num_steps=400, num_checkpoints=3)
    standing.metric({"kind": "window", "window": "0"})
    standing.metric({"kind": "window", "window": "1"})
    standing.metric({"kind": "window", "window": "1"})
    standing.metric(
        {"kind": "step", "step": "120", "loss": "2.31", "tokens_per_s": "8120", "wait_fraction": "0.004"}
    )
    standing.evaluation(Found(0))
    standing.evaluation(EvaluationProgress(step=0, dataset="rte", num_done=120, num_total=704))
    return standing


def test_plain_line_tells_windows_steps_pace_checkpoints_and_evaluation():
    assert plain_line(standing_in_the_middle()) == (
        "step 120/400 · loss 2.310 · 8,120 tokens/s · waits 0.4 % · 2 windows made · "
        "1/3 checkpoints published · evaluating step 0: rte 120/704"
    )


def test_events_become_lines():
    standing = standing_in_the_middle()
    assert standing.metric({"kind": "checkpoint", "step": "200", "digest": "ab" * 32}) == (
        "checkpoint of step 200 saved (digest abababababab)"
    )
    done = Evaluated(
        0, (result("rte", "accuracy", 51.234, step=0), result("rte", "f1", 3, step=0, main=False))
    )
    assert standing.evaluation(done) == "evaluated step 0: rte accuracy 51.2"
    assert standing.in_hand is None
    unscored = Evaluated(200, (result("rte", "accuracy", 0, step=200, n=0),))
    assert standing.evaluation(unscored) == "evaluated step 200: rte accuracy -"


def test_first_claim_of_a_run_is_no_event_and_later_ones_are():
    standing = Standing(num_steps=1, num_checkpoints=2)
    assert standing.metric({"kind": "restart", "reason": "start"}) is None
    assert "Redis was restarted" in standing.metric({"kind": "restart", "reason": "Redis was restarted"})


def test_metric_that_is_not_understood_is_left_out():
    standing = Standing(num_steps=1, num_checkpoints=2)
    entries = [
        {"kind": "new"},
        {"kind": "step", "step": "x"},
        {"kind": "window"},
        {"kind": "step", "step": "1"},
    ]
    assert [standing.metric(entry) for entry in entries] == [None] * 4


def test_terminal_shows_bars_and_keeps_events_above_them():
    out = io.StringIO()
    with Display(Console(file=out, force_terminal=True, width=100)) as display:
        display.watch(standing_in_the_middle())
        display.say("datagen-1 was killed by SIGKILL [again]")
    text = out.getvalue()
    assert "datagen-1 was killed by SIGKILL [again]" in text
    for part in ("120/400", "made by datagen", "1/3", "120/704", "step 0 · rte"):
        assert part in text
