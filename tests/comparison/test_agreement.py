"""Agreement over distances and linkages: counted by the plain road, and never called support."""

import json

import numpy as np
import pytest
import xarray as xr

from workbench.comparison import DISTANCES, cluster, co_clustering
from workbench.comparison.coclustering import cut, together
from workbench.comparison.linkages import GENERAL, leaf_sets
from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import load_folder


def test_share_of_the_ways_to_grow_a_tree(build_heat, patterns):
    heat = build_heat(patterns)
    tree = cluster(heat)["fear"]
    groups, hits, ways = leaf_sets(tree.linkage), np.zeros(4), 0
    for distance in DISTANCES.names():
        for linkage in GENERAL if distance != "ssim" else ():
            seen = leaf_sets(cluster(heat, distance=distance, linkage=linkage, agreement=False)["fear"].linkage)
            hits += [group in seen for group in groups]
            ways += 1
    assert ways == len(tree.agreement.combinations) == 20
    np.testing.assert_allclose(tree.agreement.share[:-1], hits[:-1] / 20)
    assert np.isnan(tree.agreement.share[-1])
    assert list(tree.agreement.left_out) == ["ssim"]
    assert "4×5" in tree.agreement.left_out["ssim"], "no window of 7 × 7 fits"
    assert tree.support is None
    assert "agreement over 20 combinations of distance and linkage" in repr(tree)
    document = json.loads(json.dumps(tree.as_dict(), allow_nan=False))
    assert document["agreement"]["combinations"][0] == "correlation, average"


def test_a_distance_that_the_maps_do_not_have_gives_no_tree(build_heat, patterns):
    found = cluster(build_heat(patterns), distance="ssim")["fear"]
    assert not len(found.linkage)
    assert found.reason == "the distance 'ssim' is undefined on these maps (4×5, 20 pixels)"


def test_it_stands_where_support_is_missing_or_where_it_is_asked_for(face_maps, build_heat, patterns):
    assert cluster(face_maps, draws=5)["fear"].agreement is None
    assert cluster(face_maps, draws=5, agreement=True)["fear"].agreement is not None
    assert cluster(face_maps.isel(image=slice(3)), draws=5)["fear"].agreement is not None
    assert cluster(build_heat(patterns), agreement=False)["fear"].agreement is None
    declined = cluster(face_maps, support="none")["fear"]
    assert declined.agreement is None
    assert "support = 'none'" in declined.reason
    with pytest.raises(UnknownNameError, match="did you mean multiscale"):
        cluster(face_maps, support="multi-scale")


def test_the_published_maps(published):
    heat = load_folder(published / "by_network").assign_attrs(frame="published").sel(expression=["anger", "disgust"])
    found = cluster(heat)
    for tree in found.expressions.values():
        assert len(tree.agreement.combinations) == 24
    pair = [
        share
        for group, share in zip(leaf_sets(found["anger"].linkage), found["anger"].agreement.share, strict=True)
        if {found["anger"].labels[k] for k in group} == {"VGG16", "VGG19"}
    ]
    assert pair == [1.0]
    assert min(found["anger"].agreement.share[:-1]) == pytest.approx(8 / 24)


LINKAGE = np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 2], [4, 5, 0.3, 4]])


def test_cutting_a_tree():
    assert cut(LINKAGE, 1).tolist() == [0, 0, 0, 0]
    assert cut(LINKAGE, 2).tolist() == [0, 0, 1, 1]
    assert cut(LINKAGE, 3).tolist() == [0, 0, 1, 2]
    assert cut(LINKAGE, 4).tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="1 to 4 clusters, not 5"):
        cut(LINKAGE, 5)


def test_shares_and_chance_by_hand():
    other = np.array([[0, 1, 0.1, 2], [4, 2, 0.2, 3], [5, 3, 0.3, 4]])  # (abc) d at two clusters
    share, chance = together([LINKAGE, other], 2)
    np.testing.assert_array_equal(share, [[1, 1, 0.5, 0], [1, 1, 0.5, 0], [0.5, 0.5, 1, 0.5], [0, 0, 0.5, 1]])
    assert chance == pytest.approx((4 / 12 + 6 / 12) / 2)
    rng, seen = np.random.default_rng(0), []
    for _ in range(4000):
        drawn = [cut(tree, 2)[rng.permutation(4)] for tree in (LINKAGE, other)]
        seen.append(np.mean([of[0] == of[1] for of in drawn]))
    assert np.mean(seen) == pytest.approx(chance, abs=0.02)


def test_co_clustering_over_redrawn_faces(face_maps):
    found = co_clustering(face_maps, draws=30, clusters=3)
    share = found["share"].sel(expression="fear", clusters=3)
    assert float(share.sel(model="a", other_model="b")) == 1
    assert float(share.sel(model="a", other_model="c")) == 0
    assert (np.diag(share) == 1).all()
    assert int(found["trees"].sel(expression="fear")) == 30
    assert float(found["chance"].sel(expression="fear", clusters=3)) == pytest.approx(4 / 20)
    assert str(found["reason"].sel(expression="anger").item()) == "there is no map"
    assert np.isnan(found["share"].sel(expression="anger")).all()
    assert "too few to resample" in str(co_clustering(face_maps.isel(image=slice(3)))["reason"].sel(expression="fear"))


def test_co_clustering_over_combinations(build_heat, patterns):
    maps = patterns | {"flat": np.full((4, 5), 2.0)}
    found = co_clustering(build_heat(maps))
    assert isinstance(found, xr.Dataset)
    assert found.attrs["over"] == "combinations"
    assert int(found["trees"].sel(expression="fear")) == 20
    assert found["clusters"].values.tolist() == [2, 3, 4]
    assert np.isnan(found["share"].sel(expression="fear", model="flat")).all()
    with pytest.raises(UsageError, match="over='combinations'"):
        co_clustering(build_heat(patterns), over="draws")
    with pytest.raises(UnknownNameError, match="did you mean draws"):
        co_clustering(build_heat(patterns), over="draw")
