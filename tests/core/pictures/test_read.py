"""Pictures as people have them, and files that only look like pictures."""

import io
import os
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform.errors import PictureError
from janiform.pictures import read
from janiform.pictures.read import as_picture, read_picture
from PIL import Image


def encoded(picture, format="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


def red_left(size=(8, 4)):
    picture = Image.new("RGB", size, "blue")
    picture.paste("red", (0, 0, size[0] // 2, size[1]))
    return picture


def test_a_path_and_its_bytes_give_the_same_rgb(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(red_left()))
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes()):
        picture = read_picture(source)
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture), np.asarray(red_left()))


def test_exif_orientation_turns_the_picture_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate clockwise by 90°
    picture = read_picture(encoded(red_left((16, 8)), "JPEG", exif=exif, quality=95, subsampling=0))
    assert picture.size == (8, 16)
    top, bottom = picture.getpixel((4, 2)), picture.getpixel((4, 13))
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


def test_broken_exif_does_not_spoil_a_good_picture():
    assert read_picture(encoded(red_left((16, 8)), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")).size == (16, 8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_opaque_modes_keep_their_colours(mode):
    original = Image.new("RGB", (5, 3), "white").convert(mode)
    assert np.asarray(read_picture(encoded(original))).min() == 255
    assert read_picture(encoded(original)).size == (5, 3)


def test_transparency_is_laid_on_white():
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert read_picture(encoded(half)).getpixel((0, 0)) == (255, 127, 127)
    clear = Image.new("LA", (4, 4), (0, 0))
    assert read_picture(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)


def test_a_transparent_colour_of_a_palette_and_of_grey_is_laid_on_white():
    palette = red_left().quantize(2)
    index = palette.getpixel((0, 0))
    picture = read_picture(encoded(palette, "GIF", transparency=index))
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert picture.getpixel((7, 0)) == (0, 0, 255)
    rgb = read_picture(encoded(red_left(), transparency=(255, 0, 0)))
    assert rgb.getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_samples_are_scaled_not_clipped():
    samples = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for format in ("PNG", "TIFF"):
        picture = read_picture(encoded(Image.fromarray(samples), format))
        assert np.asarray(picture)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_colour_is_scaled():
    rows = b"".join(b"\x00" + struct.pack(">6H", 65535, 0, 32896, 0, 65535, 257) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    picture = read_picture(png(("IHDR", header), ("IDAT", zlib.compress(rows)), ("IEND", b"")))
    assert picture.getpixel((0, 0)) == (255, 0, 128)
    assert picture.getpixel((1, 0)) == (0, 255, 1)


def test_samples_of_unknown_range_are_refused_with_a_remedy():
    for samples in (np.array([[0, 70000]], dtype=np.int32), np.array([[0.5]], dtype=np.float32)):
        with pytest.raises(PictureError, match="8 or 16 bits"):
            read_picture(encoded(Image.fromarray(samples), "TIFF"))


def tiff16(samples, order="<", bits=16, **tags):
    """A grey TIFF, written by hand: byte order, bits per sample and tags as asked."""
    height, width = samples.shape
    if bits == 12:
        nibbles = "".join(f"{value:03x}" for value in samples.ravel().tolist())
        data = bytes.fromhex(nibbles)
    else:
        data = samples.astype(f"{order}{'i' if samples.dtype.kind == 'i' else 'u'}{bits // 8}").tobytes()
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: len(data)}
    entries |= {int(tag[1:]): value for tag, value in tags.items()}
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    rows = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return head + rows + bytes(4) + data


def levels(data):
    return np.asarray(read_picture(data))[0, :, 0].tolist()


def test_samples_that_declare_their_range_are_scaled_by_it():
    full = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert levels(tiff16(full, "<")) == levels(tiff16(full, ">")) == [0, 1, 128, 255]
    assert levels(tiff16(full, "<", t262=0)) == [255, 254, 127, 0], "0 is white"
    assert levels(tiff16(np.array([[0, 1024, 2048, 4095]]), bits=12)) == [0, 64, 128, 255]
    assert levels(b"P5 3 1 4095\n" + np.array([0, 2048, 4095], ">u2").tobytes()) == [0, 128, 255]
    assert levels(b"P5 3 1 65535\n" + np.array([0, 257, 4000], ">u2").tobytes()) == [0, 1, 16], "dark, as declared"
    plain = np.array([[0, 1, 128, 255]], np.int32)
    assert levels(encoded(Image.fromarray(plain), "TIFF")) == [0, 1, 128, 255]
    assert np.asarray(as_picture(Image.fromarray(plain)))[0, :, 0].tolist() == [0, 1, 128, 255]
    assert levels(encoded(Image.fromarray(np.zeros((1, 2), np.uint16)))) == [0, 0], "black in any range"


def png16(colour_type, *pixels):
    header = struct.pack(">IIBBBBB", len(pixels), 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + b"".join(struct.pack(f">{len(pixel)}H", *pixel) for pixel in pixels)
    return png(("IHDR", header), ("IDAT", zlib.compress(row)), ("IEND", b""))


@pytest.mark.parametrize("highest", [255, 1023, 4095])
def test_few_bits_in_many_are_refused_instead_of_drawn_black(highest):
    samples = np.array([[0, highest // 2, highest]], np.uint16)
    grey = Image.fromarray(samples)
    files = [encoded(grey), encoded(grey, "TIFF"), tiff16(samples, ">"), png16(2, (highest,) * 3, (0, 9, 9))]
    files += [png16(6, (highest, highest, highest, 65535)), png16(4, (highest, 65535))]
    files += [encoded(Image.fromarray(samples.astype(np.int32)), "TIFF")] if highest > 255 else []
    for data in files:
        with pytest.raises(PictureError, match=r"does not say which value is white; save it with 8 bits, or scaled"):
            read_picture(data)
    with pytest.raises(PictureError, match="does not say which value is white"):
        as_picture(grey)
    with pytest.raises(PictureError, match="signed samples"):
        read_picture(tiff16(np.array([[0, 32767]], np.int16), t339=2))


@pytest.mark.parametrize(
    "rounds", [pytest.param(200, id="short"), pytest.param(10_000, id="long", marks=pytest.mark.slow)]
)
def test_samples_of_any_number_of_bits_are_never_nearly_black(rounds):
    """Pictures of 1 to 16 bits in 16 or 32: what is read is bright, and scaled by 65535, or by 255 in 32 bits."""
    random = np.random.default_rng(18)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(rounds):
        highest = int(random.integers(1, 2 ** random.integers(1, 17)))
        samples = random.integers(0, highest, (2, 3), endpoint=True)
        samples[0, 0] = highest
        pixels = [tuple(int(value) for value in row) for row in samples]
        forms = {
            "png": lambda grey: encoded(Image.fromarray(grey.astype(np.uint16))),
            "tiff": lambda grey: tiff16(grey, "<"),
            "big-endian tiff": lambda grey: tiff16(grey, ">"),
            "32 bits": lambda grey: tiff16(grey, bits=32),
            "colour": lambda grey: png16(2, *pixels),  # noqa: B023 - called in this round
        }
        form = str(random.choice(list(forms)))
        try:
            read_samples = np.asarray(read_picture(forms[form](samples))).astype(int)
        except PictureError:
            outcomes["refused"] += 1
            assert highest <= 4095
            continue
        outcomes["read"] += 1
        white = 255 if form == "32 bits" and highest <= 255 else 65535
        assert white == 255 or highest > 4095
        expected = samples if form == "colour" else samples[:, :, None]
        expected = expected.reshape(1, 2, 3) if form == "colour" else expected
        assert np.abs(read_samples - expected * 255 / white).max() <= 1
    assert min(outcomes.values()) > rounds // 5


def test_black_shapes_on_a_transparent_ground_show_their_range():
    data = png16(6, (0, 0, 0, 65535), (0, 0, 0, 0))
    assert levels(data) == [0, 255]


def test_a_long_name_does_not_fill_the_message():
    for text in ("iVBORw0KGgo" * 2000, "x/" * 9000):
        with pytest.raises(PictureError) as caught:
            read_picture(text)
        assert len(str(caught.value)) < 400


def test_cmyk_becomes_rgb():
    picture = read_picture(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert picture.mode == "RGB"
    red, green, blue = picture.getpixel((8, 8))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(format):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("lime", "red", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=50, **lossless(format))
    assert read_picture(data).getpixel((3, 3)) == (0, 255, 0)


def test_one_pixel():
    assert read_picture(encoded(Image.new("RGB", (1, 1), "red"))).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_file_is_called_damaged(format):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, format)
    with pytest.raises(PictureError, match=r"damaged|not a picture"):
        read_picture(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_picture(data):
    with pytest.raises(PictureError, match=r"empty|not a picture|damaged"):
        read_picture(data)


def test_a_decompression_bomb_is_refused_by_its_header_alone():
    side = 50_000
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = png(("IHDR", header), ("IDAT", zlib.compress(b"\x00" * 1000)), ("IEND", b""))
    with pytest.raises(PictureError, match="million pixels"):
        read_picture(bomb)
    with pytest.raises(PictureError, match="million pixels"):
        read_picture(png(("IHDR", struct.pack(">IIBBBBB", 9500, 9000, 8, 2, 0, 0, 0)), ("IDAT", b""), ("IEND", b"")))


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_FILE_BYTES", 2**20)
    (tmp_path / "large.png").write_bytes(bytes(2**20 + 1))
    with pytest.raises(PictureError, match=r"large\.png.*1 MiB"):
        read_picture(tmp_path / "large.png")


def test_missing_folder_and_pipe_are_named(tmp_path):
    with pytest.raises(PictureError, match=r"no file .*none\.png"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(PictureError, match="folder"):
        read_picture(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="regular file"):
        read_picture(tmp_path / "pipe.png")


def test_every_error_is_a_sentence_that_names_the_file(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(encoded(red_left((64, 64)), "JPEG")[:300])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert "broken.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_forms_of_a_picture():
    array = np.asarray(red_left())
    assert np.array_equal(np.asarray(as_picture(array)), array)
    assert np.array_equal(np.asarray(as_picture(red_left())), array)
    assert as_picture(array[:, :, 0]).mode == "RGB"
    assert as_picture(Image.new("RGBA", (2, 2), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    for wrong in (array.astype(float), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2, 3), np.uint8), 7, None):
        with pytest.raises(PictureError):
            as_picture(wrong)


def test_a_damaged_picture_that_was_opened_lazily(tmp_path):
    path = tmp_path / "half.png"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(encoded(noise)[:5000])
    with pytest.raises(PictureError, match="damaged"):
        as_picture(Image.open(path))


@given(
    format=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "PNG 16", "TIFF 16", "TIFF 32"]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.floats(0.2, 1),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_changed_in_a_file_gives_a_picture_or_a_sentence(format, changes, cut):
    data = bytearray(SAMPLES[format])
    for place, value in changes:
        data[int(place * len(data))] = value
    with suppress(PictureError):
        assert read_picture(bytes(data[: int(cut * len(data))])).mode == "RGB"


def png(*chunks):
    body = b"".join(
        struct.pack(">I", len(data)) + kind.encode() + data + struct.pack(">I", zlib.crc32(kind.encode() + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def lossless(format):
    return {"lossless": True} if format == "WEBP" else {}


SAMPLES = {
    format: encoded(red_left((12, 10)), format) for format in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM")
}
SAMPLES["PNG 16"] = png16(6, (65535, 0, 0, 65535), (0, 9, 40000, 1))
SAMPLES["TIFF 16"] = tiff16(np.full((3, 4), 30000, np.uint16), ">")
SAMPLES["TIFF 32"] = tiff16(np.full((3, 4), 200), bits=32)
