"""Every distance: what all have in common, toy maps by hand, and SciPy, scikit-image and POT as references."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist
from skimage.metrics import structural_similarity

from workbench.comparison import DISTANCES, cluster, distance
from workbench.comparison.measures.maps import coarse
from workbench.errors import UnknownNameError, UsageError

NAMES = ["correlation", "cosine", "spearman", "soft_iou", "ssim", "wasserstein"]
GRID = (12, 10)


def between(name, maps, domain=None):
    domain = np.ones(maps.shape[1:], bool) if domain is None else domain
    return DISTANCES[name].value.matrix(maps[:, domain], domain)


@pytest.fixture
def maps():
    return np.random.default_rng(0).random((5, *GRID)) ** 2


@pytest.fixture
def disc():
    rows, columns = np.mgrid[: GRID[0], : GRID[1]]
    return (rows - 5.5) ** 2 + (columns - 4.5) ** 2 < 27


def test_six_distances_ship():
    assert DISTANCES.names() == NAMES
    for entry in DISTANCES:
        assert entry.reference
        assert entry.as_dict()["best"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_symmetric_with_a_zero_diagonal_and_inside_its_range(name, maps):
    found = between(name, maps)
    assert (found == found.T).all()
    assert (np.diag(found) == 0).all()
    off = found[~np.eye(5, dtype=bool)]
    assert (off > 0).all()
    assert (off <= DISTANCES[name].value.high).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_lies_at_distance_0(name, maps):
    found = between(name, np.concatenate([maps[:1], maps]))
    assert found[0, 1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_map_has_no_distance(name, maps):
    maps[2] = 0.4
    found = between(name, maps)
    assert np.isnan(found[2, [0, 1, 3, 4]]).all()
    assert np.isnan(found).sum() == 8
    assert (np.diag(found) == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_pixels_outside_the_domain_do_not_count(name, maps, disc):
    other = np.where(disc, maps, 99.0)
    other[:, 0, 0] = [0, -5, 7, 1e3, 2]
    np.testing.assert_array_equal(between(name, maps, disc), between(name, other, disc))
    assert np.isfinite(between(name, maps, disc)).all()
    assert not np.allclose(between(name, maps, disc), between(name, maps))


@pytest.mark.parametrize("name", ["correlation", "spearman", "soft_iou", "ssim", "wasserstein"])
def test_the_unit_of_a_map_does_not_matter(name, maps):
    grey = maps * np.array([255, 1, 3, 0.1, 9])[:, None, None] + np.array([0, 2, -3, 4, 5])[:, None, None]
    np.testing.assert_allclose(between(name, grey), between(name, maps), atol=1e-9)


def test_rows_are_those_of_scipy(maps):
    flat = maps.reshape(5, -1)
    np.testing.assert_allclose(between("correlation", maps), cdist(flat, flat, "correlation"), atol=1e-12)
    np.testing.assert_allclose(between("cosine", maps), cdist(flat, flat, "cosine"), atol=1e-12)
    tied = np.round(maps, 1)
    ranked = stats.spearmanr(tied.reshape(5, -1), axis=1).statistic
    np.testing.assert_allclose(between("spearman", tied), 1 - ranked, atol=1e-12)


def test_soft_iou_by_hand():
    maps = np.array([[[0.0, 0.5, 1.0, 0.5]], [[1.0, 0.5, 0.0, 0.0]]])  # minima 0 .5 0 0, maxima 1 .5 1 .5
    assert between("soft_iou", maps)[0, 1] == pytest.approx(1 - 0.5 / 3)
    masks = np.array([[[1, 1, 1, 0, 0, 0]], [[0, 0, 1, 1, 0, 0]]])
    assert between("soft_iou", masks)[0, 1] == pytest.approx(1 - 1 / 4), "of masks it is 1 − IoU"


def test_ssim_is_scikit_images(maps):
    unit = [(m - m.min()) / np.ptp(m) for m in maps]
    found = between("ssim", maps)
    for a, b in [(0, 1), (2, 4)]:
        assert found[a, b] == pytest.approx(1 - structural_similarity(unit[a], unit[b], data_range=1.0), abs=1e-12)


def test_ssim_takes_windows_inside_the_domain_only(maps, disc):
    low, high = [m[disc].min() for m in maps[:2]], [m[disc].max() for m in maps[:2]]
    unit = [(m - a) / (b - a) for m, a, b in zip(maps, low, high, strict=False)]
    whole = structural_similarity(*unit, data_range=1.0, full=True)[1]
    fits = [(r, c) for r in range(3, 9) for c in range(3, 7) if disc[r - 3 : r + 4, c - 3 : c + 4].all()]
    assert fits
    assert between("ssim", maps, disc)[0, 1] == pytest.approx(1 - np.mean([whole[at] for at in fits]), abs=1e-12)
    assert np.isnan(between("ssim", maps[:, :6])[0, 1]), "no window of 7 × 7 fits 6 rows"


def test_wasserstein_is_the_way_that_a_spot_moves():
    maps = np.zeros((3, *GRID))
    maps[0, 2, 3] = maps[1, 6, 6] = 1
    maps[2, 2, 3] = maps[2, 6, 6] = 5  # half of the heat is there already
    found = between("wasserstein", maps)
    assert found[0, 1] == pytest.approx(5 / 12)
    assert found[0, 2] == found[1, 2] == pytest.approx(2.5 / 12)


def test_wasserstein_is_pots(maps):
    ot = pytest.importorskip("ot")
    places = np.stack(np.mgrid[: GRID[0], : GRID[1]], axis=-1).reshape(-1, 2)
    mass = maps.reshape(5, -1) - maps.reshape(5, -1).min(axis=1, keepdims=True)
    mass /= mass.sum(axis=1, keepdims=True)
    exact = ot.emd2(mass[0], mass[3], ot.dist(places, places, "euclidean")) / GRID[0]
    assert between("wasserstein", maps)[0, 3] == pytest.approx(exact, abs=1e-9)


def test_large_maps_are_added_up_in_cells():
    mass, domain = np.ones((1, 275, 224)), np.ones((275, 224), bool)
    domain[:100] = False
    mass[:, ~domain] = 0
    cells, places = coarse(mass, domain)
    assert cells.sum() == pytest.approx(domain.sum())
    assert len(places) == cells.shape[1] <= 18 * 14
    assert places[:, 0].max() < 1
    mean = (cells[0, :, None] * places).sum(axis=0) / cells.sum()
    np.testing.assert_allclose(mean, [(100 + 274) / 2 / 275, 223 / 2 / 275], atol=0.01)


@pytest.mark.parametrize("name", [n for n in NAMES if DISTANCES[n].value.euclidean])
def test_roots_of_twice_the_distance_are_euclidean(name):
    """Centred −½·squares have no negative eigenvalue (Gower), which is what Ward's linkage needs."""
    squares = 2 * between(name, np.random.default_rng(3).normal(size=(9, *GRID)))
    centring = np.eye(9) - 1 / 9
    assert np.linalg.eigvalsh(-0.5 * centring @ squares @ centring).min() > -1e-9


def test_one_that_a_newcomer_adds(build_heat, patterns):
    @distance("manhattan", words="mean difference", reference="any")
    def manhattan(first, second):
        """Mean absolute difference."""
        return abs(first - second).mean()

    try:
        tree = cluster(build_heat(patterns), distance="manhattan")["fear"]
        flat = np.stack([p.astype(np.float32).ravel() for p in patterns.values()])
        np.testing.assert_allclose(tree.distances, cdist(flat, flat, "cityblock") / 20, atol=1e-6)
        assert "on mean difference" in repr(cluster(build_heat(patterns), distance="manhattan"))
        assert DISTANCES["manhattan"].summary == "Mean absolute difference."
    finally:
        DISTANCES.remove("manhattan")


def test_wrong_requests(build_heat, patterns, maps):
    with pytest.raises(UnknownNameError, match="did you mean cosine"):
        cluster(build_heat(patterns), distance="cosin")
    distance("bad", takes="rows")(lambda rows: rows)
    try:
        with pytest.raises(UsageError, match="takes rows gives 5×5"):
            between("bad", maps)
    finally:
        DISTANCES.remove("bad")
