"""The embedded corpus: rows of many datasets in their own columns, made from one small invented world.

Labels are right by construction and the classes even. The same operations return in several clusters in
other dress, so that a model tuned on some clusters can be asked about another one:

    operation          datasets
    statement check    rte, snli, cb, wnli; mrpc; boolq, multirc
    not said           cb, snli, qnli; boolq, squad (v2); cosmos_qa
    look up a value    web_nlg_en; multirc, squad, openbookqa, drop; cosmos_qa
    cause and effect   copa; dpr, winogrande; cosmos_qa
    mood               imdb, sst2; cosmos_qa
    reference          dpr, winogrande; wnli
    topic              ag_news; hellaswag; cosmos_qa
    order              hellaswag; drop
    tool and use       piqa; arc
    arithmetic         math_dataset; drop
    world fact         arc, natural_questions, trivia_qa; squad, openbookqa
    dialogue           samsum; cb
    tell the facts     e2e_nlg, web_nlg_en, common_gen; samsum; wmt16_deen, wmt16_roen

Four have one cluster only, which nothing else teaches when it is held out: same or different (mrpc, qqp),
correct form (cola), gist (samsum), translate (wmt16_deen, wmt16_roen).
"""

from flan_datagen.embedded.source import DATASETS, EmbeddedSource

__all__ = ["DATASETS", "EmbeddedSource"]
