"""What the page of `egic demo` decides without a browser."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from egic.page import desk, numbers, opening, painting, photographs, views
from egic.page.shelf import Kept, Shelf
from egic.page.views import Wishes
from tests.pixel_codec import HeadlessCodec, PixelCodec

PICTURE = np.arange(24 * 16 * 3, dtype=np.uint8).reshape(24, 16, 3)


@pytest.fixture
def opened():
    return opening.open_image(PixelCodec(), PICTURE, "ramp")


def _canvas(opacity):
    """What a browser gives of a canvas whose paint has this opacity, [h, w] uint8."""
    rgba = np.zeros((*opacity.shape, 4), np.uint8)
    rgba[..., 3] = opacity
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/png;base64,{data}"


@pytest.fixture
def refusal(tmp_path):
    """Returns the sentence about a file, which lies in a folder nobody asked about."""

    def refuse(name, content):
        path = tmp_path / name
        if isinstance(content, Image.Image):
            content.save(path)
        else:
            path.write_bytes(content)
        with pytest.raises(opening.RefusedError) as caught:
            opening.open_path(PixelCodec(), path)
        assert str(tmp_path) not in str(caught.value)
        return str(caught.value)

    return refuse


def test_a_picture_is_decoded_once_for_every_alpha(opened):
    codec = PixelCodec()
    opened = opening.open_image(codec, PICTURE, "ramp")
    for alpha in (0.0, 0.3, 1.0):
        views.view(opened, Wishes(alpha))
    assert codec.decoded == 1


def test_a_compressed_file_opens_without_an_original(tmp_path):
    path = tmp_path / "ramp.egic"
    path.write_bytes(PixelCodec().compress(PICTURE))
    opened = opening.open_path(PixelCodec(), path)
    assert opened.original is None
    np.testing.assert_array_equal(opened.rendering.image(1.0), PICTURE)
    assert views.choices(opened) == ["alpha 0", "alpha 1"]
    assert "24 pixels" in numbers.caption(opened)
    assert numbers.table(opened, views.view(opened, Wishes())) == ""


def test_a_compressed_file_is_known_by_its_first_bytes_not_its_name(tmp_path):
    path = tmp_path / "ramp.png"
    path.write_bytes(PixelCodec().compress(PICTURE))
    assert opening.open_path(PixelCodec(), path).original is None


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("notes.txt", b"hello", r"notes\.txt: no PNG, JPEG, .* picture, .*"),
        ("ours.egic", b"hello", r"ours\.egic: .*"),
        ("half.png", b"\x89PNG\r\n\x1a\n\0\0", r"half\.png: .*"),
        (
            "clear.png",
            Image.new("RGBA", (4, 4)),
            r"clear\.png: has transparent pixels; .* `egic compress` has\.",
        ),
        (
            "large.png",
            Image.new("1", (8192, 8193)),
            r"large\.png: 8192 x 8193 pixels are more than the 67,108,864 .*",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(
    refusal, name, content, sentence
):
    assert re.fullmatch(sentence, refusal(name, content), re.DOTALL)


def test_a_picture_of_a_camera_is_shrunk_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(opening, "MAX_PIXELS", 24 * 16 // 4)
    found = opening.open_image(PixelCodec(), PICTURE // 2 + 60, "photo")
    assert found.original.shape == (12, 8, 3)
    assert abs(found.original.mean() - (PICTURE // 2 + 60).mean()) < 2
    caption = "photo, 8 × 12 pixels, shrunk from 16 × 24"
    assert numbers.caption(found) == caption
    small = opening.open_image(PixelCodec(), PICTURE[:12, :8], "photo")
    assert small.shrunk_from is None and "shrunk" not in numbers.caption(small)


@pytest.mark.parametrize("shape", [(3024, 4032), (4032, 3024), (2049, 2048)])
def test_what_is_shrunk_keeps_its_shape_and_fits(shape):
    height, width = opening.fitted(np.zeros((*shape, 3), np.uint8)).shape[:2]
    assert 0.99 * opening.MAX_PIXELS < height * width <= opening.MAX_PIXELS
    assert width / height == pytest.approx(shape[1] / shape[0], rel=2e-3)


def test_the_largest_picture_is_refused_as_a_file_of_ours_too(refusal):
    image = np.zeros((1025, 4096, 3), np.uint8)
    sentence = refusal("large.egic", PixelCodec().compress(image))
    assert sentence.startswith("large.egic: 4096 x 1025 pixels are more than")


def test_a_canvas_is_read_by_its_opacity():
    opacity = np.array([[0, 51], [255, 0]], np.uint8)
    painted = painting.read(_canvas(opacity))
    np.testing.assert_allclose(painted, [[0.0, 0.2], [1.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("url", [None, "", _canvas(np.zeros((2, 2), np.uint8))])
def test_an_empty_canvas_is_no_painting(url):
    assert painting.read(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,!!!!",
        "data:image/png;base64,aGVsbG8=",
        "data:image/jpeg;base64,aGVsbG8=",
        "file:///etc/passwd",
        _canvas(np.zeros((1, 2049), np.uint8)),
    ],
)
def test_what_no_canvas_gives_is_refused(url):
    with pytest.raises(ValueError, match="."):
        painting.read(url)


def test_a_painting_of_any_size_moves_alpha_towards_the_brushs():
    painted = np.array([[0.0, 1.0]], np.float32)
    alpha = painting.alpha_map(painted, inside=0.0, outside=0.8, height=3, width=40)
    assert alpha.shape == (3, 40)
    np.testing.assert_allclose(alpha[:, :8], 0.8, rtol=1e-6)
    np.testing.assert_array_equal(alpha[:, -8:], 0.0)


@pytest.mark.parametrize("painted", [None, np.ones((2, 2), np.float32)])
def test_where_painting_changes_nothing_alpha_is_a_number(painted):
    assert painting.alpha_map(painted, 0.5, 0.5, 3, 4) == 0.5


def test_both_pictures_are_what_was_asked_for(opened):
    shown = views.view(opened, Wishes(alpha=0.0, beside="alpha 1"))
    assert not shown.ours.any()
    np.testing.assert_array_equal(shown.beside, PICTURE)
    assert shown[2:] == ("EGIC, alpha 0", "EGIC, alpha 1")


def test_painted_pixels_have_the_brushs_alpha_and_the_label_says_so(opened):
    painted = np.zeros((24, 16), np.float32)
    painted[:, 8:] = 1.0
    shown = views.view(opened, Wishes(1.0, "faithful", painted))
    np.testing.assert_array_equal(shown.ours[:, :7], PICTURE[:, :7])
    assert not shown.ours[:, 9:].any()
    assert shown.ours_label == "EGIC, alpha 1, 0 where painted"


def test_a_rival_has_at_most_our_bytes_and_is_made_once(opened):
    shown = views.view(opened, Wishes(beside="JPEG"))
    rival = opened.rival("jpeg")
    assert len(rival.data) <= len(opened.data) and rival.fits
    np.testing.assert_array_equal(shown.beside, rival.image)
    assert shown.beside is opened.rival("jpeg").image


def test_a_model_without_a_head_has_one_picture():
    opened = opening.open_image(HeadlessCodec(), PICTURE, "ramp")
    assert not opened.has_alpha
    assert "alpha 0" not in views.choices(opened)
    painted = np.ones((2, 2), np.float32)
    shown = views.view(opened, Wishes(0.0, "faithful", painted))
    np.testing.assert_array_equal(shown.ours, PICTURE)
    assert shown.ours_label == "EGIC, alpha 1"


def test_the_table_has_what_was_found_and_dots_for_the_rest(opened):
    opened.rival("jpeg")
    table = numbers.table(opened, views.view(opened, Wishes()))
    rows = re.findall("<tr>(.*?)</tr>", table)
    assert len(rows) == 2 + len(views.CODECS)
    size = len(opened.data)
    bits = 8 * size / (24 * 16)
    assert f"<td>{size:,}</td><td>{bits:.3f}</td>" in rows[1]
    assert rows[1].endswith("<td>exact</td>")
    assert f"<td>{len(opened.rival('jpeg').data):,}</td>" in rows[2]
    assert rows[3].count("…") == 4


def test_names_of_files_are_text_and_no_markup():
    name = '<b onclick="x">'
    current = desk.Session(opening.open_image(PixelCodec(), PICTURE, name))
    shown = desk.show(Shelf(), current, Wishes())
    assert "<b" not in shown.numbers
    assert 'download="&lt;b onclick=&quot;x&quot;&gt;.egic"' in shown.numbers


def test_the_stage_names_pictures_that_are_on_the_shelf(opened):
    shelf = Shelf()
    current = desk.Session(opened)
    stage = json.loads(desk.show(shelf, current, Wishes()).stage)
    assert (stage["width"], stage["height"], stage["paintable"]) == (16, 24, True)
    assert stage["picture"] != desk.Session(opened).picture
    kept = shelf.get(stage["ours"].removeprefix("kept/"))
    with Image.open(io.BytesIO(kept.data)) as image:
        np.testing.assert_array_equal(np.asarray(image), PICTURE)


def test_a_full_shelf_loses_what_was_put_there_longest_ago():
    shelf = Shelf(capacity=10)
    first, second = shelf.put(b"1234", "a/b"), shelf.put(b"5678", "a/b")
    assert shelf.put(b"1234", "a/b") == first
    third = shelf.put(b"90ab", "a/b")
    assert shelf.get(second) is None
    assert shelf.get(first) == Kept(b"1234", "a/b")
    assert shelf.get(third) == Kept(b"90ab", "a/b")
    assert shelf.get(shelf.put(b"more than ten bytes", "a/b")) is not None


def test_photographs_are_those_that_ship_with_scikit_image():
    pytest.importorskip("skimage")
    assert photographs.names() == ["coffee", "chelsea", "astronaut", "rocket"]
    assert photographs.read("chelsea").shape == (300, 451, 3)
    assert len(photographs.thumbnail("chelsea")) < 20_000
