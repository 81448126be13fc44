"""demo-image: pictures of a prompt's own, and edits that happen to the picture."""

import io

import numpy as np
import pytest
from PIL import Image

from inference.embedded_triton import EmbeddedTriton
from tests.triton.tensors import file, infer, number, outputs, text

SIZE = (number("width", 96), number("height", 64))


def picture(triton: EmbeddedTriton, prompt: str, *more: dict) -> Image.Image:
    sized = more if any(tensor["name"] == "width" for tensor in more) else (*SIZE, *more)
    (found,) = outputs(infer(triton, "demo-image", text("prompt", prompt), *sized))["generated_image"]
    image = Image.open(io.BytesIO(found))
    assert image.format == "PNG"
    return image.convert("RGB")


def seed(value: int) -> dict:
    return number("seed", value, "INT64")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.int16)


def photo(kind: str = "PNG") -> tuple[Image.Image, bytes]:
    """A picture with something in it, and its file."""
    across, down = np.meshgrid(np.arange(96), np.arange(64))
    array = np.stack([across * 2, down * 3, (across + down) % 200], axis=2).astype(np.uint8)
    image, data = Image.fromarray(array, "RGB"), io.BytesIO()
    image.save(data, kind, **({"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}))
    return image, data.getvalue()


def test_the_same_seed_draws_the_same_picture_and_another_another(triton: EmbeddedTriton) -> None:
    one = picture(triton, "A lighthouse at the sea", seed(7))
    assert one.size == (96, 64)
    assert picture(triton, "A lighthouse at the sea", seed(7)).tobytes() == one.tobytes()
    assert picture(triton, "A lighthouse at the sea", seed(8)).tobytes() != one.tobytes()
    assert picture(triton, "A harbour", seed(7)).tobytes() != one.tobytes()
    assert picture(triton, "A lighthouse at the sea").tobytes() != picture(triton, "A lighthouse at the sea").tobytes()


def test_the_words_of_the_prompt_give_the_colours(triton: EmbeddedTriton) -> None:
    red, blue = (pixels(picture(triton, f"{name} sky, {name} earth", seed(1)))[0] for name in ("red", "blue"))
    assert red[:, 0].mean() > blue[:, 0].mean() + 30
    assert blue[:, 2].mean() > red[:, 2].mean() + 30


def test_what_is_asked_for_beside_the_prompt_changes_the_picture(triton: EmbeddedTriton) -> None:
    plain = picture(triton, "A blue lake with boats and birds", seed(3)).tobytes()
    for more in (number("steps", 4), number("guidance_scale", 1.0, "FP32"), text("negative_prompt", "blue")):
        assert picture(triton, "A blue lake with boats and birds", seed(3), more).tobytes() != plain


@pytest.mark.parametrize(("width", "height"), [(1, 1), (17, 300), (1024, 1024)])
def test_any_size_is_drawn(triton: EmbeddedTriton, width: int, height: int) -> None:
    drawn = picture(triton, "A harbour", number("width", width), number("height", height))
    assert drawn.size == (width, height)


@pytest.mark.parametrize("size", [(0, 5), (-1, 5), (100_000, 100_000)])
def test_an_impossible_size_is_refused(triton: EmbeddedTriton, size: tuple[int, int]) -> None:
    answer = infer(triton, "demo-image", text("prompt", "x"), number("width", size[0]), number("height", size[1]))
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_edit_happens_to_the_picture(triton: EmbeddedTriton, kind: str) -> None:
    original, data = photo(kind)
    inverted = picture(triton, "Invert the colours", file("image", data))
    assert np.abs(255 - pixels(inverted) - pixels(original)).mean() < 6
    grey = pixels(picture(triton, "Make it grayscale", file("image", data)))
    assert (grey.max(axis=2) == grey.min(axis=2)).all()


def test_each_operation_does_something_of_its_own(triton: EmbeddedTriton) -> None:
    _, data = photo()
    prompts = ("blur it", "invert", "grau", "sepia", "mirror", "upside down", "pixelate", "sketch", "brighter", "dark")
    found = {picture(triton, prompt, file("image", data)).tobytes() for prompt in (*prompts, "comic", "red", "a boat")}
    assert len(found) == len(prompts) + 3


def test_only_where_the_mask_is_transparent_the_picture_changes(triton: EmbeddedTriton) -> None:
    original, data = photo()
    mask, masked = Image.new("RGBA", original.size, (0, 0, 0, 255)), io.BytesIO()
    mask.paste((0, 0, 0, 0), (0, 0, 48, 64))
    mask.save(masked, "PNG")
    edited = pixels(picture(triton, "invert", file("image", data), file("mask", masked.getvalue())))
    assert (edited[:, 48:] == pixels(original)[:, 48:]).all()
    assert (edited[:, :48] == 255 - pixels(original)[:, :48]).all()


def test_several_images_come_together(triton: EmbeddedTriton) -> None:
    original, data = photo()
    green = io.BytesIO()
    Image.new("RGB", (60, 60), (0, 200, 0)).save(green, "PNG")
    edited = pixels(picture(triton, "invert", file("image", data, green.getvalue())))
    assert (edited[-4, 4] == (0, 200, 0)).all()
    assert (edited[0, 0] == 255 - pixels(original)[0, 0]).all()


def test_what_is_no_image_is_refused(triton: EmbeddedTriton) -> None:
    answer = infer(triton, "demo-image", text("prompt", "blur"), *SIZE, file("image", b"nothing"))
    assert answer.status_code == 400


def test_directives_send_what_an_engine_must_not(triton: EmbeddedTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow's own limit, which the gateway replaces by the operator's.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)
    (garbage,) = outputs(infer(triton, "demo-image", text("prompt", "[[garbage]]"), *SIZE))["generated_image"]
    assert garbage == b"no image at all"
    (bomb,) = outputs(infer(triton, "demo-image", text("prompt", "[[bomb]]"), *SIZE))["generated_image"]
    assert len(bomb) < 200
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(bomb))
    assert infer(triton, "demo-image", text("prompt", "[[fail]]"), *SIZE).status_code == 500
