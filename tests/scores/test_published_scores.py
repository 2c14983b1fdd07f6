"""The published maps: every cell of the one-heatmap-per-network tables, and the controls beside them."""

import numpy as np
import pytest

from workbench.heatmaps import load_folder
from workbench.masks import load_masks
from workbench.scores import all_masks, evaluate, summary, tidy
from workbench.vocabulary import BASIC_EXPRESSIONS

IOU = """
SilNet 0.2443 0.3828 0.3654 0.1015 0.2948 0.2859
WeiNet 0.2148 0.3352 0.2549 0.1011 0.2996 0.1581
AlexNet 0.3311 0.1873 0.1259 0.0910 0.3175 0.1869
SongNet 0.3520 0.2338 0.0864 0.2636 0.2943 0.1632
InceptionV3 0.3073 0.6412 0.2444 0.2261 0.2755 0.2513
VGG19 0.1240 0.6320 0.1294 0.1727 0.1109 0.3050
VGG16 0.1164 0.5752 0.1273 0.1523 0.1171 0.2936
ResNet50 0.1944 0.5156 0.2226 0.2797 0.4236 0.3252
ResNet101V2 0.1811 0.5697 0.2004 0.2793 0.3446 0.3152
Xception 0.1545 0.4139 0.2026 0.2315 0.2732 0.2510
MobileNetV3Large 0.3322 0.5250 0.2594 0.1849 0.1039 0.2555
EfficientNetV2B0 0.2401 0.7212 0.2069 0.2583 0.0990 0.3242
"""
PRECISION = """
SilNet 0.3220 0.4854 0.4881 0.1956 0.6073 0.3722
WeiNet 0.3150 0.3748 0.4345 0.1918 0.5929 0.2385
AlexNet 0.4094 1.0000 0.2802 0.1834 0.5675 0.3506
SongNet 0.4600 0.3514 0.2518 0.3753 0.5093 0.2508
InceptionV3 0.4143 0.6622 0.4122 0.3998 0.4775 0.3522
VGG19 0.2638 0.7409 0.3442 0.3457 0.2706 0.5388
VGG16 0.2384 0.6745 0.3405 0.3297 0.3103 0.5254
ResNet50 0.2732 0.5937 0.4216 0.4340 0.4736 0.5256
ResNet101V2 0.2729 0.6569 0.4167 0.4549 0.4962 0.4819
Xception 0.2456 0.5272 0.3560 0.4071 0.4491 0.3386
MobileNetV3Large 0.4513 0.5658 0.4045 0.3702 0.2657 0.3566
EfficientNetV2B0 0.3910 0.9007 0.3541 0.4267 0.2568 0.5822
"""
RECALL = """
SilNet 0.5032 0.6441 0.5925 0.1742 0.3642 0.5523
WeiNet 0.4032 0.7603 0.3814 0.1761 0.3771 0.3191
AlexNet 0.6340 0.1873 0.1860 0.1531 0.4188 0.2858
SongNet 0.5998 0.4114 0.1163 0.4696 0.4108 0.3183
InceptionV3 0.5434 0.9529 0.3751 0.3424 0.3944 0.4674
VGG19 0.1897 0.8113 0.1717 0.2565 0.1581 0.4128
VGG16 0.1852 0.7961 0.1689 0.2207 0.1583 0.3995
ResNet50 0.4025 0.7967 0.3204 0.4403 0.8006 0.4604
ResNet101V2 0.3500 0.8111 0.2785 0.4197 0.5300 0.4767
Xception 0.2940 0.6582 0.3198 0.3493 0.4109 0.4923
MobileNetV3Large 0.5574 0.8792 0.4198 0.2698 0.1458 0.4740
EfficientNetV2B0 0.3835 0.7834 0.3322 0.3956 0.1388 0.4225
"""
F1 = """
SilNet 0.3927 0.5536 0.5352 0.1843 0.4554 0.4447
WeiNet 0.3537 0.5021 0.4062 0.1836 0.4610 0.2730
AlexNet 0.4975 0.3155 0.2236 0.1669 0.4819 0.3149
SongNet 0.5207 0.3791 0.1591 0.4172 0.4548 0.2805
InceptionV3 0.4701 0.7813 0.3928 0.3689 0.4320 0.4017
VGG19 0.2207 0.7745 0.2291 0.2945 0.1996 0.4675
VGG16 0.2085 0.7303 0.2258 0.2644 0.2097 0.4539
ResNet50 0.3255 0.6804 0.3641 0.4371 0.5952 0.4908
ResNet101V2 0.3067 0.7259 0.3339 0.4366 0.5125 0.4793
Xception 0.2676 0.5854 0.3369 0.3760 0.4291 0.4012
MobileNetV3Large 0.4988 0.6885 0.4120 0.3121 0.1883 0.4070
EfficientNetV2B0 0.3872 0.8380 0.3428 0.4105 0.1802 0.4897
"""
MEAN_BY_MASK = [
    [0.233, 0.342, 0.285, 0.246, 0.265, 0.297],
    [0.171, 0.478, 0.258, 0.333, 0.261, 0.224],
    [0.236, 0.278, 0.202, 0.263, 0.229, 0.305],
    [0.163, 0.238, 0.110, 0.195, 0.127, 0.327],
    [0.172, 0.475, 0.243, 0.320, 0.246, 0.248],
    [0.232, 0.330, 0.266, 0.347, 0.278, 0.260],
]


@pytest.fixture(scope="module")
def table(published):
    heat = load_folder(published / "by_network").assign_attrs(frame="published")
    return evaluate(heat, load_masks(published / "ground_truth"), nulls=("toroidal",), progress=False)


@pytest.mark.parametrize(("name", "text"), [("iou", IOU), ("precision", PRECISION), ("recall", RECALL), ("f1", F1)])
def test_the_published_table_to_four_decimals(table, name, text):
    for line in text.split("\n")[1:-1]:
        model, *wanted = line.split()
        found = table[name].sel(model=model, explainer="", expression=list(BASIC_EXPRESSIONS)).values
        assert [f"{v:.4f}" for v in found] == wanted, (name, model)


def test_grand_mean_best_and_worst(table):
    found = summary(table)
    assert (found["cells"], found["models"], found["masks"]) == (72, 12, 6)
    assert f"{found['iou']:.4f}" == "0.2689"
    assert max(found["iou_by_model"], key=found["iou_by_model"].get) == "ResNet50"
    assert min(found["iou_by_model"], key=found["iou_by_model"].get) == "AlexNet"
    assert f"{found['iou_by_model']['ResNet50']:.4f}" == "0.3269"
    assert f"{found['iou_by_model']['AlexNet']:.4f}" == "0.2066"
    assert [f"{found[k]:.4f}" for k in ("precision", "recall", "f1")] == ["0.4222", "0.4202", "0.4072"]


def test_the_controls(table):
    found = summary(table)
    assert f"{found['chance_iou']:.3f}" == "0.142"
    assert f"{found['chance_iou_face']:.3f}" == "0.205"
    assert f"{found['other_masks_iou']:.4f}" == "0.2623"
    assert (found["own_mask_first"], found["own_mask_first_expected_by_chance"]) == (15, 12.0)
    assert f"{found['centre_iou']:.3f}" == "0.407"
    assert f"{found['centre_iou_equal_area']:.3f}" == "0.350"
    assert f"{found['area']:.3f}" == "0.253"
    assert "0.407 for a content-free centred blob" in found["caution"]
    assert "not binomial" in found["caution"]


def test_the_controls_of_each_expression(table):
    means = tidy(table).groupby("expression")[["chance_iou", "area", "centre_iou"]].mean().round(3)
    assert means["chance_iou"].tolist() == [0.157, 0.143, 0.149, 0.111, 0.153, 0.139]
    assert means["area"].tolist() == [0.305, 0.287, 0.236, 0.190, 0.244, 0.260]
    assert means["centre_iou"].tolist() == [0.199, 0.797, 0.401, 0.470, 0.428, 0.148]


def test_own_mask_first_is_almost_only_disgust(table):
    first = (table["rank_of_own_mask"] == 1).sum(["model", "explainer"])
    assert first.values.tolist() == [0, 11, 0, 0, 0, 4]


def test_the_mean_of_each_expression_with_each_mask(table):
    found = all_masks(table).mean(["model", "explainer"])
    np.testing.assert_allclose(found, MEAN_BY_MASK, atol=5.1e-4)


def test_all_shifts_all_labels_and_the_verdicts(table):
    found = summary(table)
    null = found["nulls"]["toroidal"]
    assert (null["draws"], null["tests"], null["least_at_smallest"]) == (61_600, 72, 1)
    assert (f"{null['mean']:.3f}", f"{null['percentile_95']:.3f}") == ("0.152", "0.358")
    assert f"{null['smallest_p']:.4f}" == "0.0018"
    assert (null["below_05"], null["below_05_bh"], null["below_05_by"]) == (15, 0, 0)
    assert f"{found['labels'][0]['mean']:.4f} {found['labels'][0]['p']:.2f}" == "0.2634 0.39"
    assert found["verdicts"] == {"chance": 72}
    assert "15 of 72 cells have p ≤ .05, 0 after Benjamini–Hochberg, 0 after Benjamini–Yekutieli" in found["caution"]
    assert "gives 0.263 on average, p .39" in found["caution"]


def test_inside_the_face_chance_is_higher_and_scores_hardly_move(published, table):
    heat = load_folder(published / "by_network").assign_attrs(frame="published")
    face = evaluate(heat, load_masks(published / "ground_truth"), domain="face", scores=(), nulls=())
    assert float(face["chance_iou"].mean()) == pytest.approx(0.205, abs=5e-4)
    np.testing.assert_allclose(face["chance_iou"], table["chance_iou_face"])
    assert abs(float(face["iou"].mean()) - float(table["iou"].mean())) < 0.002
    assert float(face["area"].mean()) == pytest.approx(0.253 * 0.996 / 0.728, abs=2e-3)
    assert face.attrs["domain"] == "face"
