"""Rendering a whole window at once: equal to filling each template by hand, in every form that a run may choose."""

import numpy as np
import polars as pl
import pytest
from lines import pinned, window_maker
from test_window import texts

from flan_datagen.catalog import load_catalog, options_block
from flan_datagen.embedded import EmbeddedSource
from flan_datagen.face import drawable_faces
from flan_datagen.pool import Pools
from flan_datagen.render import Renderer, Shelf, few_shot, shots
from flan_shared.spec import TemplatePolicy

CATALOG = load_catalog()
NAMES = ("rte", "copa", "squad", "e2e_nlg", "wmt16_deen", "fix_punct")
FORMS = [
    TemplatePolicy(),
    TemplatePolicy(options="none"),
    TemplatePolicy(form="bare"),
    TemplatePolicy(form="name"),
]


@pytest.fixture(scope="module")
def pools():
    pools = Pools(EmbeddedSource())
    return [pools.train(CATALOG[name], seed=1, cap=40) for name in NAMES]


def shelf(pool, policy):
    part = pool.entry.members[0]
    rows = pool.frame.filter(pl.col("part") == part.name)
    return Shelf(
        type(pool)(pool.entry, rows), drawable_faces(pool.entry, part, policy), policy.options == "shuffled"
    )


def by_hand(shelf, face, row, options=None):
    (found,) = shelf.pool.take(np.array([row]))
    values = {name: found.get(name) or "" for name in (*shelf.pool.entry.fields, "answer")}
    values["options"] = options_block(options or found["options"])
    return shelf.faces[face].template.render(values)


def draws(shelves, num, seed=0):
    """Random draws: int64[num] each of shelf, face, row and number."""
    random = np.random.default_rng(seed)
    which = random.integers(0, len(shelves), num)
    face = np.array([random.integers(0, len(shelves[i].faces)) for i in which])
    row = np.array([random.integers(0, len(shelves[i].pool)) for i in which])
    return which, face, row, np.arange(num) * 7


@pytest.mark.parametrize("policy", FORMS, ids=["instruction", "no options", "bare", "name"])
def test_a_window_at_once_is_each_template_filled_by_hand(pools, policy):
    shelves = [shelf(pool, policy) for pool in pools]
    which, face, row, number = draws(shelves, 400)
    rendered = Renderer(shelves, seed=3).render(which, face, row, number)
    for place, (inputs, targets) in enumerate(zip(rendered.inputs, rendered.targets, strict=True)):
        assert (inputs, targets) == by_hand(shelves[which[place]], face[place], row[place])


def test_forms_without_an_instruction_are_the_fields_and_the_name(pools):
    bare, name = (
        Renderer([shelf(pools[0], policy)], seed=0).render(*(np.array([v]) for v in (0, 0, 5, 0))).inputs[0]
        for policy in FORMS[2:]
    )
    row = pools[0].take(np.array([5]))[0]
    assert row["premise"] in bare
    assert row["hypothesis"] in bare
    assert "OPTIONS" not in bare
    assert name == f"[Natural language inference: RTE] {bare}"


def test_no_options_is_the_instruction_alone(pools):
    shelves = [shelf(pools[0], policy) for policy in (TemplatePolicy(turned_around=False), FORMS[1])]
    ordered, without = (
        Renderer([one], seed=0).render(*(np.array([v]) for v in (0, 2, 5, 0))).inputs[0] for one in shelves
    )
    assert ordered.startswith(without)
    assert ordered.removeprefix(without).strip().startswith("OPTIONS:")


def test_shuffled_options_hang_on_the_draw_and_keep_the_answer(pools):
    policy = TemplatePolicy(options="shuffled", turned_around=False)
    shelves = [shelf(pool, policy) for pool in pools[:3]]
    which, face, row, number = draws(shelves, 300)
    renderer = Renderer(shelves, seed=3)
    rendered = renderer.render(which, face, row, number)
    orders = set()
    for place, (inputs, targets) in enumerate(zip(rendered.inputs, rendered.targets, strict=True)):
        one = shelves[which[place]]
        options = renderer.options(int(which[place]), int(row[place]), int(number[place]))
        original = one.pool.frame["options"][int(row[place])].to_list()
        assert sorted(options) == sorted(original)
        assert (inputs, targets) == by_hand(one, face[place], row[place], options)
        if original:
            assert targets in options
            orders.add((which[place], options == original))
    # Two options: half of the draws turn them.
    assert orders == {(0, True), (0, False), (1, True), (1, False)}
    # In another company a draw looks the same.
    alone = renderer.render(*(v[100:101] for v in (which, face, row, number)))
    assert alone.inputs[0] == rendered.inputs[100]


def test_exemplars_stand_before_their_query(pools):
    one = shelf(pools[0], TemplatePolicy())
    zeros = np.zeros(3, np.int64)
    renderer = Renderer([one], seed=0)
    queries = renderer.render(zeros, zeros, np.array([0, 1, 2]), zeros)
    exemplars = renderer.render(zeros, zeros, np.array([5, 6, 7]), zeros)
    shown = shots(exemplars)
    prompts = few_shot(queries.inputs, shown, np.array([2, 0, 1]))
    assert shown[0] == f"{exemplars.inputs[0]}\n{exemplars.targets[0]}"
    assert prompts.to_list() == [
        "\n\n".join((shown[0], shown[1], queries.inputs[0])),
        queries.inputs[1],
        "\n\n".join((shown[2], queries.inputs[2])),
    ]


def test_no_draws_give_no_texts(pools):
    nothing = np.zeros(0, np.int64)
    rendered = Renderer([shelf(pools[0], TemplatePolicy())], seed=0).render(
        nothing, nothing, nothing, nothing
    )
    assert len(rendered.inputs) == len(rendered.targets) == 0


@pytest.mark.parametrize("num_shots", [1, 3, 16])
def test_a_run_s_exemplars_are_of_its_template_and_never_the_query(num_shots, data_folder, tokenizer):
    spec = pinned(
        tokenizer,
        {
            "mixture.datasets": "{sentiment: [sst2]}",
            "templates": f"{{num_shots: {num_shots}, turned_around: false, per_dataset: 1}}",
            "lengths.inputs": "2000",
        },
    )
    template = CATALOG["sst2"].templates[0]
    rows = {
        template.render({**row, "options": options_block(row["options"])})[0]
        for row in Pools(pl_source(data_folder)).train(CATALOG["sst2"], seed=7, cap=10**6).frame.to_dicts()
    }
    for inputs, _ in texts(tokenizer, window_maker(spec, data_folder, tokenizer).make(0)):
        *exemplars, query = split_prompts(inputs, rows)
        assert len(exemplars) == num_shots
        assert query not in exemplars
        assert len(set(exemplars)) == num_shots


def pl_source(folder):
    from flan_datagen.sources import open_source

    return open_source(str(folder))


def split_prompts(text, known):
    """The known prompts that a few-shot text is made of, in their order."""
    found = sorted((text.index(prompt), prompt) for prompt in known if prompt in text)
    return [prompt for _, prompt in found]


def test_a_cluster_may_have_a_policy_of_its_own(data_folder, tokenizer):
    spec = pinned(
        tokenizer,
        {
            "templates.by_cluster": "{sentiment: {form: name}, commonsense: {options: none, turned_around: false}}",
            "templates.turned_around": "false",
        },
    )
    pairs = [
        pair
        for window in range(4)
        for pair in texts(tokenizer, window_maker(spec, data_folder, tokenizer).make(window))
    ]
    assert any(inputs.startswith(CATALOG["sst2"].heading) for inputs, _ in pairs)
    assert any("OPTIONS:\n- no\n- yes" in inputs for inputs, _ in pairs)
    assert not any("OPTIONS" in inputs and "fell down" in inputs for inputs, _ in pairs)
