"""Numbers at branches: which one is shown, what it is called, and that none hides a line or another number."""

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from workbench import figures
from workbench.comparison import Agreement, Clustering, FoldCounts, Tree, multiscale
from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme
from workbench.figures.branch_numbers import CHARACTER, HEIGHT, numbers_of, placed

MERGES = np.array([[0, 1, 0.1, 2], [3, 2, 0.4, 3]])
NAN = float("nan")


def tree_of(**known):
    return Tree(("x", "y", "z"), MERGES, np.zeros((3, 3)), 0.9, leaf_order=(2, 0, 1), **known)


def said(figure):
    texts = [t.get_text() for t in figure.texts] + [t.get_text() for ax in figure.axes for t in ax.texts]
    return " ".join(" ".join(texts).split())


def test_multiscale_comes_before_bootstrap_before_folds_before_agreement():
    agreement, folds = Agreement((0.25, NAN), ("correlation, average",) * 24), FoldCounts((4, 5), tuple("12345"))
    fitted = multiscale([0.6, 0.7, 0.8], [0.5, 1.0, 1.4], 100)
    shown = numbers_of(tree_of(agreement=agreement, reason="no per-image maps"))
    assert shown.texts == (".25", "")
    assert shown.note == (
        "support unavailable: one map a network; orange: share of 24 distance × linkage combinations with the branch"
    )
    assert shown.colour == theme.OTHER
    shown = numbers_of(tree_of(agreement=agreement, folds=folds, reason="folds are no resamples"))
    assert shown.texts == ("4/5", "")
    assert "support unavailable: folds are no resamples" in shown.note
    known = {"support": (0.9, NAN), "units": 31, "unit": "subject", "draws": 200}
    shown = numbers_of(tree_of(agreement=agreement, **known))
    assert shown.texts == (".90", "")
    assert shown.note == "blue: share of 200 trees of redrawn subjects with the branch; 31 subjects"
    assert shown.colour == theme.OWN
    shown = numbers_of(tree_of(multiscale=(fitted, None), **known))
    assert shown.texts == (theme.number(fitted.p), "")
    assert "near 1 where the data hold it, by multiscale bootstrap, approximately unbiased; 31 subjects" in shown.note
    shown = numbers_of(tree_of(multiscale_reason="at least 20 subjects are needed, and there are 9", **known))
    assert "No multiscale bootstrap: at least 20" in shown.note
    assert numbers_of(tree_of(reason="too few")).note == "support unavailable: too few"


def test_the_letters_au_never_stand_for_the_multiscale_p():
    fitted = multiscale([0.6, 0.7, 0.8], [0.5, 1.0, 1.4], 100)
    tree = tree_of(support=(0.9, NAN), multiscale=(fitted, None))
    for text in (numbers_of(tree).note, repr(tree), str(tree.as_dict()), multiscale.__doc__):
        assert "AU" not in text


def test_a_sheet_has_a_panel_an_expression_and_one_axis():
    agreed = Agreement((0.25, NAN), ("correlation, average",) * 24)
    trees = {
        "anger": tree_of(agreement=agreed, reason="no per-image maps"),
        "fear": tree_of(agreement=agreed, reason="no per-image maps"),
        "disgust": Tree(
            ("x",), np.zeros((0, 4)), np.zeros((1, 1)), NAN, reason="only one network has a usable map (x)"
        ),
    }
    figure = figures.dendrograms(Clustering(trees, "average", "cam", "", "canvas"), unrecognised={("x", "fear")})
    assert len(figure.axes) == 2
    assert [ax.get_xlim() for ax in figure.axes] == [(0, pytest.approx(0.4 * 1.04))] * 2
    text = said(figure)
    assert text.count("share of 24 distance × linkage combinations") == 1
    assert "no tree: only one network has a usable map (x)" in text
    assert text.count("cophenetic correlation .900") == 2
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["z", "x", "y"]
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["z", "x †", "y"]
    assert figure.axes[0].get_xlabel() == "1 − correlation, root scale"
    trees["fear"] = tree_of(support=(0.9, NAN), units=8, unit="image", draws=50)
    mixed = said(figures.dendrograms(trees))
    assert "share of 24" in mixed
    assert "50 trees of redrawn images" in mixed
    with pytest.raises(UsageError, match="no tree to draw"):
        figures.dendrograms({"disgust": trees["disgust"]})


def test_heights_are_the_linkages_on_either_scale():
    for scale in ("root", "linear"):
        ax = figures.dendrogram(["x", "y", "z"], MERGES, scale=scale).axes[0]
        assert sorted(max(line.get_xdata()) for line in ax.lines) == [0.1, 0.4]
        where = ax.transData.transform([(0, 0), (0.1, 0), (0.4, 0)])[:, 0]
        assert (where[1] - where[0]) / (where[2] - where[0]) == pytest.approx(0.5 if scale == "root" else 0.25)
    with pytest.raises(UnknownNameError, match="did you mean linear"):
        figures.dendrogram(["x", "y", "z"], MERGES, scale="linea")
    with pytest.raises(UsageError, match="names each once"):
        figures.dendrogram(["x", "y", "z"], MERGES, order=(0, 0, 1))


@pytest.mark.parametrize("seed", range(4))
def test_no_number_hides_another(seed):
    maps = np.random.default_rng(seed).random((12, 5))
    tree = linkage(maps, "average")
    ax = figures.dendrogram([f"network {k}" for k in range(12)], tree, support=np.linspace(0.1, 1, 11), width=4.9).axes[
        0
    ]
    size = np.array([ax.get_window_extent().width, ax.get_window_extent().height]) / 100
    boxes = [(*(np.array(t.get_position()) * size), CHARACTER * len(t.get_text())) for t in ax.texts]
    assert len(boxes) == 11
    for (x, y, w), (u, v, z) in itertools.combinations(boxes, 2):
        assert x + w <= u + 0.01 or u + z <= x + 0.01 or abs(y - v) >= HEIGHT - 0.02
    assert min(x for x, _, _ in boxes) >= 0


def test_a_number_goes_where_no_line_runs():
    free = placed([".50"], [(1.0, 1.0)], [(1.0, 0.8, 1.0, 1.2)], 3.0)[0]
    assert free == pytest.approx((1.0 - 0.03 - 3 * CHARACTER, 1.0 - HEIGHT / 2)), "left of its node"
    barred = placed([".50"], [(1.0, 1.0)], [(0.9, 0.8, 0.9, 1.2), (1.0, 0.8, 1.0, 1.2)], 3.0)[0]
    assert barred[0] > 1.0, "right of it, as a line runs through the place on the left"
    assert placed([""], [(1.0, 1.0)], [], 3.0) == [None]
