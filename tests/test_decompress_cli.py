"""`egic decompress` with alphas, maps, strips and heat maps, on a stand-in codec."""

import numpy as np
import pytest
from PIL import Image

import egic
from egic import alpha_maps, cli, invented
from hific.errors import InvalidImageError
from hific.images import read_image, write_png
from tests.pixel_codec import HeadlessCodec, PixelCodec

SWEEP = "0,0.17,0.33,0.5,0.67,0.83,1"


@pytest.fixture(autouse=True)
def codec(monkeypatch):
    """Every test decodes with this one."""
    codec = PixelCodec()
    monkeypatch.setattr(egic, "load", lambda directory: codec)
    monkeypatch.setenv("EGIC_MODEL", "some/bundle")
    return codec


@pytest.fixture
def photo(tmp_path, codec):
    """A compressed picture, 4 x 2, grey 200 on the left half and 100 on the right."""
    pixels = np.full((2, 4, 3), 200, np.uint8)
    pixels[:, 2:] = 100
    path = tmp_path / "photo.egic"
    path.write_bytes(codec.compress(pixels))
    return path


def run(*arguments) -> int:
    return cli.main(["decompress", *(str(argument) for argument in arguments)])


def mask(path, values, mode="L"):
    Image.fromarray(np.array(values, np.uint8)).convert(mode).save(path)
    return path


def test_several_alphas_give_a_file_each_from_one_decoding(photo, codec, capsys):
    assert run(photo, f"--alpha={SWEEP}") == 0
    pictures = {path.name for path in photo.parent.glob("*.png")}
    assert pictures == {f"photo.alpha-{alpha}.png" for alpha in SWEEP.split(",")}
    for alpha in SWEEP.split(","):
        image = read_image(photo.parent / f"photo.alpha-{alpha}.png")
        assert image[0, 0].tolist() == [round(200 * float(alpha))] * 3
    assert codec.decoded == 1
    assert "photo.alpha-0.png and 6 more: 4x2, " in capsys.readouterr().out


def test_one_alpha_keeps_the_plain_name(photo):
    assert run(photo, "--alpha=0.5") == 0
    assert read_image(photo.with_suffix(".png"))[0, 3].tolist() == [50] * 3


def test_a_strip_shows_every_alpha_under_its_label(photo, codec):
    assert run(photo, "--alpha=0,0.5,1", "--strip") == 0
    (path,) = photo.parent.glob("*.png")
    assert path.name == "photo.strip.png"
    strip = read_image(path)
    assert (strip[:-2] < 128).any()  # Labels.
    columns = [i for i in range(strip.shape[1]) if strip[-1, i, 0] in (0, 100, 200)]
    assert {int(strip[-1, i, 0]) for i in columns} == {0, 100, 200}
    assert codec.decoded == 1


def test_a_map_chooses_for_each_pixel(photo, tmp_path):
    path = mask(tmp_path / "mask.png", [[0, 255, 0, 255]] * 2)
    assert run(photo, f"--alpha_map={path}") == 0
    assert (
        read_image(photo.with_suffix(".png"))[..., 0].tolist() == [[0, 200, 0, 100]] * 2
    )


def test_a_map_of_another_size_is_stretched_bilinearly():
    alpha = np.array([[0.0, 1.0]], np.float32)
    # Two pixels on eight: centres at 2 and 6, linear between, constant outside.
    expected = [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]
    stretched = alpha_maps.resized(alpha, 3, 8)
    assert stretched.shape == (3, 8)
    np.testing.assert_allclose(stretched, [expected] * 3, atol=1e-6)


def test_a_constant_map_stays_that_number_at_every_size():
    alpha = np.full((7, 5), np.float32(1 / 3))
    for size in ((1, 1), (7, 5), (100, 3), (2, 64)):
        np.testing.assert_allclose(alpha_maps.resized(alpha, *size), 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_a_grey_mask_of_any_kind_is_read(tmp_path, mode):
    path = mask(tmp_path / "mask.png", [[0, 51, 255]], mode)
    np.testing.assert_allclose(alpha_maps.read(path), [[0, 0.2, 1]], atol=1e-6)


def test_a_16_bit_mask_is_read(tmp_path):
    values = np.array([[0, 0x33FF, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(tmp_path / "mask.png")
    read = alpha_maps.read(tmp_path / "mask.png")
    np.testing.assert_allclose(read, [[0, 0.2, 1]], atol=1e-6)


def test_what_is_transparent_in_a_mask_is_faithful(tmp_path):
    pixels = np.full((1, 2, 4), 255, np.uint8)
    pixels[0, 0, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    assert alpha_maps.read(tmp_path / "mask.png").tolist() == [[0.0, 1.0]]


def test_a_mask_that_is_none_stops_before_anything_is_decoded(
    photo, tmp_path, codec, capsys
):
    write_png(tmp_path / "red.png", np.full((2, 2, 3), (255, 0, 0), np.uint8))
    with pytest.raises(InvalidImageError, match="has colours; an alpha map is grey"):
        alpha_maps.read(tmp_path / "red.png")
    assert run(photo, f"--alpha_map={tmp_path / 'red.png'}") == 18
    assert run(photo, f"--alpha_map={tmp_path / 'none.png'}") == 4
    assert run(photo, f"--alpha_map={photo}") == 18
    assert capsys.readouterr().err.count(f"egic: {tmp_path}") == 3
    assert codec.decoded == 0


def test_the_heat_map_and_the_share_show_where_the_ends_differ(photo, tmp_path, capsys):
    heat = tmp_path / "heat.png"
    assert run(photo, f"--invented={heat}", "--invented_threshold=150") == 0
    # The ends differ by 200 and 100 levels: both beyond the scale.
    assert (read_image(heat) == (252, 255, 164)).all()
    line = capsys.readouterr().out
    assert "; 50.0 % of pixels invented (alpha 1 and 0 differ by more than 150" in line
    assert read_image(photo.with_suffix(".png"))[0, 0, 0] == 200


def test_a_residual_is_the_largest_of_the_channels_in_both_directions():
    realistic = np.array([[[10, 20, 30], [0, 0, 255]]], np.uint8)
    faithful = np.array([[[12, 25, 29], [0, 0, 0]]], np.uint8)
    residual = invented.residual(realistic, faithful)
    assert residual.tolist() == [[5, 255]]
    assert invented.share_above(residual, 5) == 0.5
    assert invented.share_above(residual, 4.9) == 1.0


def test_the_colours_of_a_heat_map_grow_lighter_up_to_the_end_of_the_scale():
    colours = invented.heat_map(np.arange(256, dtype=np.uint8)[np.newaxis])[0]
    assert colours[0].tolist() == [0, 0, 4]
    assert colours[32].tolist() == [186, 54, 85]
    assert (colours[invented.SCALE :] == (252, 255, 164)).all()
    luma = colours[: invented.SCALE + 1] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luma) > 0).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--alpha=0,1.5"], "a number from 0 to 1 is needed, got 1.5"),
        (["--alpha=0,,1"], "a number from 0 to 1 is needed, got"),
        (["--alpha=0.5,0.50"], "a number is there twice in 0.5,0.50"),
        (["--alpha=0.1234567,0.12345671"], "a number is there twice in 0.12"),
        (["--alpha=0", "--alpha_map=m.png"], "not allowed with argument --alpha"),
        (["--invented=heat.jpg"], "a name that ends in .png, got heat.jpg"),
        (["--invented_threshold=-1"], "a number from 0 to 255 is needed, got -1"),
        (["--invented_threshold=nan"], "a number from 0 to 255 is needed, got nan"),
    ],
)
def test_flags_that_mean_nothing_are_wrong_usage(photo, arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        run(photo, *arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_flags_that_do_not_go_together_are_wrong_usage(photo, tmp_path, capsys):
    path = mask(tmp_path / "mask.png", [[255]])
    assert run(photo, "--strip", f"--alpha_map={path}") == 2
    assert run(photo, photo, f"--invented={tmp_path / 'heat.png'}") == 2
    assert run(photo, f"--invented={photo.with_suffix('.png')}") == 2
    assert run(photo, f"--alpha_map={path}", f"--invented={path}", "--force") == 2
    errors = capsys.readouterr().err.splitlines()
    assert "--strip shows several --alpha" in errors[0]
    assert "is one picture, for one file; got 2 files" in errors[1]
    assert "is named for two pictures of" in errors[2]
    assert "mask.png, itself an input" in errors[3]
    assert read_image(path)[0, 0, 0] == 255


def test_any_output_that_exists_stops_all_of_a_file(photo, codec, capsys):
    precious = photo.parent / "photo.alpha-1.png"
    precious.write_text("precious")
    assert run(photo, "--alpha=0,1") == 3
    assert f"egic: {precious}: exists" in capsys.readouterr().err
    assert not (photo.parent / "photo.alpha-0.png").exists()
    assert codec.decoded == 0
    assert run(photo, "--alpha=0,1", "--force") == 0


@pytest.mark.parametrize("flags", [["--alpha=0,1"], ["--invented=h.png"]])
def test_a_model_without_a_head_is_wrong_usage_and_writes_nothing(
    photo, monkeypatch, capsys, flags
):
    monkeypatch.setattr(egic, "load", lambda directory: HeadlessCodec())
    monkeypatch.chdir(photo.parent)
    assert run(photo, *flags) == 2
    assert capsys.readouterr().err == "egic: Any alpha but 1 needs another model.\n"
    assert not list(photo.parent.glob("*.png"))
