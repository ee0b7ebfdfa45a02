"""The embedded corpus: rows of every dataset of the catalog in its own columns, made from one small invented world.

Labels are right by construction and the classes even. The same operations (a statement checked against a
text, the value of a property, cause and effect, mood, topic, gist, order ...) return in several clusters in
other dress, so that a model tuned on some clusters can be asked about another one. The table of operations by
cluster is computed: `operations.table`, and `operations.not_teachable` for what no other cluster teaches when
one is held out.

A test row is no combination of training: every text, or set of facts, belongs to one split by a fixed rule
(`draw.Draw.owns`), the same for every dataset and seed. Where a source has one split only, all of its rows are
made as training rows, and what is set aside for tests are whole rows.
"""

from flan_datagen.embedded.source import DATASETS, EmbeddedSource

__all__ = ["DATASETS", "EmbeddedSource"]
