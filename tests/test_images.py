import contextlib
import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from hific import memory
from hific.errors import InvalidImageError, LimitExceededError
from hific.images import read_image, write_png

RAMP = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


def save(path, image, **options):
    Image.fromarray(image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_lossless_formats_return_their_pixels(tmp_path, suffix):
    path = save(tmp_path / f"x.{suffix}", RAMP)
    np.testing.assert_array_equal(read_image(path), RAMP)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_return_nearly_their_pixels(tmp_path, suffix):
    flat = np.full((16, 16, 3), 90, np.uint8)
    path = save(tmp_path / f"x.{suffix}", flat)
    assert np.abs(read_image(path).astype(int) - 90).max() <= 2


def test_a_written_png_reads_back_and_leaves_no_temporary_file(tmp_path):
    write_png(tmp_path / "new" / "x.png", RAMP)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "x.png"), RAMP)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.png"]


def test_only_bytes_in_rgb_are_written(tmp_path):
    with pytest.raises(ValueError, match="float64"):
        write_png(tmp_path / "x.png", RAMP / 1.0)


def test_exif_orientation_turns_the_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned a quarter: the top is on the right side.
    path = save(tmp_path / "x.png", RAMP, exif=exif)
    np.testing.assert_array_equal(read_image(path), np.rot90(RAMP, -1))


def test_grey_and_palette_are_expanded(tmp_path):
    grey = save(tmp_path / "grey.png", RAMP[..., 0])
    np.testing.assert_array_equal(read_image(grey), np.repeat(RAMP[..., :1], 3, -1))
    Image.fromarray(RAMP).quantize(8).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), RAMP)


def test_transparency_is_refused_until_it_is_flattened(tmp_path):
    pixel = np.array([[[200, 100, 0, 255], [0, 0, 0, 0]]], np.uint8)
    path = save(tmp_path / "x.png", pixel)
    with pytest.raises(InvalidImageError, match="--flatten_alpha"):
        read_image(path)
    expected = [[[200, 100, 0], [255, 255, 255]]]
    assert read_image(path, flatten_alpha="white").tolist() == expected


def test_an_opaque_alpha_channel_is_dropped(tmp_path):
    rgba = np.dstack([RAMP, np.full((2, 4), 255, np.uint8)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "x.png", rgba)), RAMP)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_is_refused_until_it_is_allowed(tmp_path, suffix):
    deep = RAMP[..., 0].astype(np.uint16) * 256 + 255
    path = save(tmp_path / f"x.{suffix}", deep)
    with pytest.raises(InvalidImageError, match="--allow_16bit"):
        read_image(path)
    kept = read_image(path, allow_16bit=True)
    np.testing.assert_array_equal(kept, np.repeat(RAMP[..., :1], 3, -1))


def test_16_bit_rgb_which_pillow_would_cut_silently_is_refused(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(rgb16_png(np.array([[[0x1234, 0x5678, 0x9ABC]]], ">u2")))
    with pytest.raises(InvalidImageError, match="--allow_16bit"):
        read_image(path)
    assert read_image(path, allow_16bit=True).tolist() == [[[0x12, 0x56, 0x9A]]]


def rgb16_png(pixels):
    """Returns a PNG of 16 bits per channel, which Pillow cannot write."""
    import struct
    import zlib

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body))
            + kind
            + body
            + struct.pack(">I", zlib.crc32(kind + body))
        )

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_cmyk_is_refused_until_it_is_allowed(tmp_path):
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "x.jpg")
    with pytest.raises(InvalidImageError, match="--allow_cmyk"):
        read_image(tmp_path / "x.jpg")
    assert read_image(tmp_path / "x.jpg", allow_cmyk=True).min() >= 250


def test_a_colour_profile_is_converted_to_srgb(tmp_path):
    # XYZ is linear light: its middle grey is far brighter in sRGB.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "s.png", RAMP, icc_profile=srgb)
    np.testing.assert_array_equal(read_image(path), RAMP)


def test_a_colour_profile_of_no_known_space_is_ignored(tmp_path):
    """Of its four letters one is none."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    odd = srgb.replace(b"s\0R\0G\0B", b"o\0d\0d\0!")  # Else its name is enough.
    path = save(tmp_path / "o.png", RAMP, icc_profile=odd[:16] + b"\xf0GB " + odd[20:])
    np.testing.assert_array_equal(read_image(path), RAMP)


def test_an_unreadable_colour_profile_is_ignored(tmp_path):
    path = save(tmp_path / "x.png", RAMP, icc_profile=b"no profile")
    np.testing.assert_array_equal(read_image(path), RAMP)


def test_several_frames_are_refused(tmp_path):
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(InvalidImageError, match="2 frames"):
        read_image(tmp_path / "x.webp")


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    path = save(tmp_path / "x.png", RAMP)
    with pytest.raises(LimitExceededError, match="4x2"):
        read_image(path, max_pixels=7)


def test_a_picture_above_the_memory_of_the_machine_is_refused_before_decoding(
    tmp_path, monkeypatch
):
    path = save(tmp_path / "x.png", RAMP)
    monkeypatch.setattr(memory, "available", lambda: 1000)
    with pytest.raises(LimitExceededError, match=r"x\.png: Reading 4 x 2 pixels"):
        read_image(path)


def test_a_png_whose_pixels_fail_their_checksum_is_refused(tmp_path):
    """Pillow alone reads some of them, as another picture."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    path = save(tmp_path / "x.png", noise)
    data = path.read_bytes()
    start = data.index(b"IDAT") + 4
    silent = 0
    for at in range(start, len(data) - 16):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(InvalidImageError, match="x.png"):
            read_image(path)
        with contextlib.suppress(OSError, SyntaxError), Image.open(path) as image:
            image.load()
            silent += 1
    assert silent


@pytest.mark.filterwarnings("ignore:(Corrupt EXIF|Truncated File|Metadata Warning)")
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "bmp"])
def test_every_truncation_is_an_invalid_image(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, {"jpg": "JPEG"}.get(suffix, suffix.upper()))
    data, path = buffer.getvalue(), tmp_path / f"x.{suffix}"
    for length in range(0, len(data) * 9 // 10, 37):
        path.write_bytes(data[:length])
        with pytest.raises(InvalidImageError, match=r"x\."):
            read_image(path)


def test_a_missing_file_and_a_text_are_invalid_images(tmp_path):
    (tmp_path / "x.png").write_text("not a picture")
    for name in ("x.png", "absent.png"):
        with pytest.raises(InvalidImageError, match=name):
            read_image(tmp_path / name)


def test_a_written_png_costs_little_more_than_the_smallest(tmp_path):
    """Noise on a slope, as decoded photographs are; within 5 % of Pillow's own."""
    slope = np.linspace(40, 200, 128)[:, np.newaxis, np.newaxis]
    noise = np.random.default_rng(0).normal(0, 3, (128, 128, 3))
    picture = np.rint(slope + noise).astype(np.uint8)
    write_png(tmp_path / "x.png", picture)
    assert (read_image(tmp_path / "x.png") == picture).all()
    Image.fromarray(picture).save(tmp_path / "y.png")
    ours, theirs = ((tmp_path / name).stat().st_size for name in ("x.png", "y.png"))
    assert ours < 1.05 * theirs
