import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.study import DEMO, MapStore, load_study

GOOD = """
name = "mine"
[faces]
source = "demo"
[[classifiers]]
name = "facemood"
[explain]
explainers = ["grad_cam"]
[[masks]]
name = "friesen-ekman"
"""


def test_the_demo_study_names_what_the_main_job_promises():
    study = load_study()
    assert study.file == DEMO
    assert [row["name"] for row in study.classifiers] == [
        "fer-mini-xception",
        "fer-big-xception",
        "fer-simple-cnn",
        "facemood",
    ]
    assert set(study.explainers) >= {
        "grad_cam",
        "grad_cam_pp",
        "layer_cam",
        "hires_cam",
        "integrated_gradients",
        "saliency",
        "occlusion",
        "lime",
        "rise",
    }
    assert [row["name"] for row in study.masks] == ["friesen-ekman", "facs-au"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[faces]", "[face]"), "unknown key 'face' at the top level; did you mean 'faces'"),
        (("explainers =", "explainer ="), "unknown key 'explainer' at \\[explain\\]; did you mean 'explainers'"),
        (('name = "friesen-ekman"', 'set = "friesen-ekman"'), "every \\[\\[masks\\]\\] needs a name"),
        (('source = "demo"', 'folder = "x"'), "\\[faces\\] needs source"),
        (('["grad_cam"]', "[]"), "names no explainers"),
        (("[explain]", "[explain"), "not valid TOML"),
        (('source = "demo"', 'source = "demo"\nmargin = 2'), "unknown key 'margin' at \\[faces\\]"),
        (('source = "demo"', "source = 3"), "source = 3 at \\[faces\\] should be a text"),
        (('name = "facemood"', 'name = "facemood"\nlables = ["a"]'), "'lables' at .*'facemood'; did you mean 'labels'"),
        (('name = "friesen-ekman"', 'name = "friesen-ekman"\nbook = "x"'), "unknown key 'book'"),
        (('["grad_cam"]', '"grad_cam"'), "explainers = 'grad_cam' at \\[explain\\] should be a list"),
        (("[explain]", "[explain]\nseed = true"), "seed = True at \\[explain\\] should be a whole number"),
        (("[explain]", "[explain]\nlimit = 3"), "limit = 3 at \\[explain\\] should be a table"),
        (("[explain]", '[explain]\nframe = "native"'), "'native' is none"),
        (("[faces]", '[report]\nembed_faces = "no"\n[faces]'), "embed_faces = 'no' .* should be true or false"),
        (('name = "mine"', 'name = "../mine"'), "also names a folder"),
        (('name = "mine"', "name = 3"), "name = 3 at the top level should be a text"),
    ],
)
def test_a_slip_in_a_study_file_is_named_with_the_way_out(tmp_path, change, message):
    file = tmp_path / "study.toml"
    file.write_text(GOOD.replace(*change))
    with pytest.raises(UsageError, match=message) as caught:
        load_study(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value).rstrip("\n")


def test_a_study_that_is_complete_is_accepted(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(GOOD)
    study = load_study(file)
    assert study.name == "mine"
    assert study.explainers == ("grad_cam",)
    assert study.seed == 0


def test_a_network_in_a_study_may_have_heads_and_a_stated_grid(tmp_path):
    from workbench.classifiers import load_classifier

    file = tmp_path / "study.toml"
    row = 'name = "test_vit"\nrandom_weights = true\nsize = 160\ntokens = [1, 10, 10]\n'
    heads = 'heads = { au = ["AU1", "AU12"], expression = ["happy", "sad"] }\n'
    file.write_text(GOOD + "\n[[classifiers]]\n" + row + heads)
    stated = dict(load_study(file).classifiers[-1])
    classifier = load_classifier(stated.pop("name"), **stated)
    assert list(classifier.heads) == ["au", "expression"]
    assert classifier.layout(classifier.cam_layer).grid == (10, 10)


def _native(value: float):
    from workbench.explainers import NativeMaps

    return NativeMaps(
        values=np.full((2, 3, 3), value, np.float32), status=["ok", "constant"], layer="conv", options={"samples": 3}
    )


def test_values_of_regions_are_kept_with_their_maps(tmp_path):
    from workbench.explainers import NativeMaps

    maps = NativeMaps(
        np.ones((2, 3, 3), np.float32),
        ["ok", "ok"],
        "",
        {},
        "",
        np.array([[1, 2], [3, np.nan]], np.float32),
        ["a", "b"],
    )
    store = MapStore(tmp_path)
    store.put({"x": 1}, maps)
    found = store.get({"x": 1})
    assert np.array_equal(found.parts, maps.parts, equal_nan=True)
    assert found.part_names == ["a", "b"]


def test_the_store_gives_back_what_was_kept_and_nothing_else(tmp_path):
    store = MapStore(tmp_path / "s")
    key = {"classifier": "abc", "explainer": "grad_cam", "seed": 0}
    assert store.get(key) is None
    store.put(key, _native(2.0))
    kept = store.get(key)
    assert kept is not None
    np.testing.assert_array_equal(kept.values, _native(2.0).values)
    assert list(kept.status) == ["ok", "constant"]
    assert kept.options == {"samples": 3}
    assert store.get({**key, "seed": 1}) is None
    assert MapStore(tmp_path / "s", fresh=True).get(key) is None


def test_a_damaged_file_counts_as_absent_and_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    store = MapStore(tmp_path)
    store.put({"a": 1}, _native(1.0))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:40])
    assert store.get({"a": 1}) is None

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put({"a": 2}, _native(1.0))
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("limit = {grad_cm = 3}", "did you mean grad_cam"),
        ('controls = ["edgemap"]', "did you mean edge_map"),
        ("options = {grad_cam = 3}", "options of 'grad_cam' are a mapping"),
        ('options = {grad_cam = {leyer = "x"}}', "did you mean layer"),
    ],
)
def test_slips_in_the_plan_are_refused_before_a_network_is_loaded(tmp_path, monkeypatch, change, message):
    from workbench.study import run_study

    monkeypatch.setattr("workbench.classifiers.load_classifier", lambda *a, **k: pytest.fail("work was begun"))
    file = tmp_path / "study.toml"
    file.write_text(GOOD.replace("[explain]", f"[explain]\n{change}"))
    with pytest.raises(UsageError, match=message):
        run_study(load_study(file))


def test_masks_of_another_frame_are_refused_before_a_network_is_loaded(tmp_path, monkeypatch):
    from PIL import Image

    from workbench.errors import FrameMismatchError
    from workbench.study import run_study

    monkeypatch.setattr("workbench.classifiers.load_classifier", lambda *a, **k: pytest.fail("work was begun"))
    (tmp_path / "mine").mkdir()
    Image.fromarray(np.tri(275, 224, dtype=np.uint8) * 255).save(tmp_path / "mine" / "fear_gt.png")
    file = tmp_path / "study.toml"
    file.write_text(GOOD.replace('"friesen-ekman"', '"mine"'))
    with pytest.raises(FrameMismatchError, match="write frame = 'published' in \\[explain\\]"):
        run_study(load_study(file))
