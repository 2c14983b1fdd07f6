"""The demo photographs: what is found, what is not, what is labelled, whose they are."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from workbench import assets, vocabulary
from workbench.errors import AssetError
from workbench.faces import demo_faces, load_faces, save_faces
from workbench.faces.demo import COLLAGE_LABELS

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def faces():
    assets.fetch(["collage", "face-landmarker"], progress=False)
    return demo_faces(progress=False)


def test_twenty_six_of_twenty_seven_pictures_have_a_face(faces):
    assert len(faces) == 26
    assert [(f.name, f.stage) for f in faces.failures] == [("collage-r0c3", "detect")]
    assert faces.images.shape == (26, 256, 256, 3)


def test_the_first_faces_show_every_label_in_turn(faces):
    labels = faces.table["label"].tolist()
    assert labels[:5] == ["happiness", "neutral", "anger", "sadness", "surprise"]
    assert labels[5:8] == ["happiness", "anger", "neutral"]
    assert all(labels[:12])
    assert not any(labels[12:])
    assert faces.names[0] == "astronaut"


def test_labels_and_subjects(faces):
    assert set(COLLAGE_LABELS.values()) <= set(vocabulary.EXPRESSIONS)
    labels = dict(zip(faces.names, faces.table["label"], strict=True))
    assert Counter(labels.values()) == {"": 14, "anger": 4, "happiness": 4, "neutral": 2, "sadness": 1, "surprise": 1}
    assert (labels["collage-r4c3"], labels["collage-r2c1"], labels["astronaut"]) == ("surprise", "", "happiness")
    assert Counter(faces.table["subject"]) == {"collage-woman": 24, "astronaut": 1, "navy-officer": 1}
    assert any("collage-r2c1" in note for note in faces.notes)


def test_eyes_lie_above_the_mouth_in_every_crop(faces):
    eyes, lips = faces.landmarks[:, [33, 263], 1].mean(axis=1), faces.landmarks[:, [61, 291], 1].mean(axis=1)
    assert (lips - eyes > 0.2).all()
    low, high = faces.landmarks.min(axis=(1, 2)), faces.landmarks.max(axis=(1, 2))
    np.testing.assert_allclose(high - low, 1 / 1.15, atol=0.12)
    assert (low > 0).all()
    assert (high < 1).all()


def test_credits_licences_and_caveats_travel_with_the_set(faces):
    sources = json.loads(faces.attrs["sources"])
    assert set(sources) == set(faces.table["source"])
    assert "never redistribute" in sources["collage"]["caveat"]
    assert all(s["credit"] and s["licence"] for s in sources.values())


def test_the_public_part_needs_no_collage(monkeypatch, faces):
    def forbidden(name, progress=True):
        if name == "collage":
            raise AssetError("asked for the collage")
        return real(name, progress)

    real = assets.path
    monkeypatch.setattr(assets, "path", forbidden)
    public = demo_faces(collage=False, progress=False)
    assert public.names == ["astronaut", "navy-portrait"]
    np.testing.assert_array_equal(public.images, faces[["astronaut", "navy-portrait"]].images)


def test_saved_demo_faces_come_back(faces, tmp_path):
    back = load_faces(save_faces(faces, tmp_path / "demo"))
    np.testing.assert_array_equal(back.landmarks, faces.landmarks)
    assert back.names == faces.names
    assert repr(back) == repr(faces)
