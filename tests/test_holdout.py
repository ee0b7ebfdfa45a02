"""The hold-out rules, cluster by cluster (paper section 2.2; the counts of the reference splits)."""

import pytest

from flan_shared.holdout import CLUSTERS, excluded_clusters, training_clusters

ALSO = {
    "reading_comprehension": ["reading_comprehension_commonsense"],
    "commonsense": ["reading_comprehension_commonsense"],
    "reading_comprehension_commonsense": ["commonsense", "reading_comprehension"],
    "nli": ["paraphrase"],
    "paraphrase": ["nli"],
}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_heldout_cluster_takes_itself_and_its_neighbours_out(cluster):
    assert excluded_clusters(cluster) == {cluster, *ALSO.get(cluster, [])}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_all_other_clusters_may_be_trained_on(cluster):
    assert set(training_clusters({cluster})) == set(CLUSTERS) - excluded_clusters(cluster)


def test_exclusion_works_in_both_directions():
    for one in CLUSTERS:
        for other in excluded_clusters(one):
            assert one in excluded_clusters(other)


def test_reading_comprehension_and_commonsense_do_not_exclude_each_other():
    assert "commonsense" not in excluded_clusters("reading_comprehension")
    assert "reading_comprehension" not in excluded_clusters("commonsense")


def test_several_heldout_clusters_add_up():
    assert set(training_clusters({"nli", "commonsense"})) == set(CLUSTERS) - {
        "nli",
        "paraphrase",
        "commonsense",
        "reading_comprehension_commonsense",
    }


def test_an_unknown_cluster_is_refused():
    with pytest.raises(KeyError, match="nlj"):
        excluded_clusters("nlj")
