"""What demo-chat says of images, what demo-ocr reads, and completions with a gap."""

import io
import random

import pytest
from PIL import Image, ImageDraw, ImageFont

from inference.embedded_triton import EmbeddedTriton
from tests.triton.calls import error_of, stream, text_of
from tests.triton.demo_modules import demo_module
from tests.triton.rendering import render
from tests.triton.tensors import encoded

UNREADABLE = "Error generating stream: cannot identify image file <_io.BytesIO object>"


def picture(kind: str = "PNG", size: tuple[int, int] = (640, 480)) -> str:
    """A quarter blue, the rest red, as the backend takes it."""
    image, data = Image.new("RGB", size, (220, 20, 20)), io.BytesIO()
    image.paste((30, 60, 210), (0, 0, size[0], size[1] // 4))
    image.save(data, kind)
    return encoded(data.getvalue())


def asking(*texts: str, images: int = 1) -> str:
    content = [*({"type": "text", "text": text} for text in texts), *[{"type": "image"}] * images]
    return render([{"role": "user", "content": content}])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_size_and_main_colours_of_an_image_are_told(triton: EmbeddedTriton, kind: str) -> None:
    text = text_of(stream(triton, asking("What is in this image?"), image=[picture(kind)]))
    assert text == "The image is 640 × 480 pixels; its main colours are red (75 %) and blue (25 %)."


def test_several_images_are_told_apart_in_german_too(triton: EmbeddedTriton) -> None:
    images = [picture(), picture(size=(4, 8))]
    text = text_of(stream(triton, asking("Was ist auf den Bildern zu sehen?", images=2), image=images))
    assert text.startswith("Bild 1 ist 640 × 480 Pixel groß; die Hauptfarben sind rot (75 %) und blau (25 %). Bild 2 ")
    assert "4 × 8" in text


def test_an_image_takes_tokens_by_its_size(triton: EmbeddedTriton) -> None:
    def tokens(*images: str) -> int:
        frames = stream(triton, asking("Well?", images=len(images)), image=list(images) or None)
        return int(frames[-1]["num_input_tokens"])

    large, small, none = tokens(picture()), tokens(picture(size=(28, 28))), tokens()
    # 16 by 12 patches, and one; the placeholder stands between two marks.
    assert (large - none, small - none) == (16 * 12 + 2, 1 + 2)


def test_images_and_placeholders_must_match_and_be_images(triton: EmbeddedTriton) -> None:
    for prompt, images in ((asking("Well?"), None), (render("Well?"), [picture()])):
        assert "prompt placeholders" in error_of(stream(triton, prompt, image=images))
    for wrong in ("aGVsbG8=", "?", picture()[:60]):
        assert error_of(stream(triton, asking("Well?"), image=[wrong])) == UNREADABLE


def written(
    text: str, *, scale: int = 1, at: tuple[int, int] = (7, 5), ink: str = "black", paper: str = "white"
) -> Image.Image:
    """A text in the built-in font."""
    font = ImageFont.load_default_imagefont()
    image = Image.new("RGB", (420, 160), paper)
    ImageDraw.Draw(image).text(at, text, font=font, fill=ink)
    return image.resize((420 * scale, 160 * scale), Image.Resampling.NEAREST)


def read(triton: EmbeddedTriton, image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "PNG")
    return text_of(stream(triton, asking(), model="demo-ocr", image=[encoded(data.getvalue())]))


def test_text_in_an_image_is_read_from_a_message_without_any(triton: EmbeddedTriton) -> None:
    invoice = "Invoice 2026-17\nTotal: 1,234.50 EUR\n  Größe: 3 m"
    assert read(triton, written(invoice)) == invoice
    assert read(triton, written("Ahoy!", scale=3, at=(90, 61), ink="yellow", paper="navy")) == "Ahoy!"


def test_an_image_without_text_is_described(triton: EmbeddedTriton) -> None:
    assert read(triton, Image.new("RGB", (50, 40), "green")).startswith("The image is 50 × 40 pixels")
    noise = Image.frombytes("RGB", (200, 200), random.Random(3).randbytes(120_000))
    assert read(triton, noise).startswith("The image is 200 × 200 pixels")


def test_any_text_in_the_font_is_read() -> None:
    read_text = demo_module("reading", "demo-ocr").read_text
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;!?()-+_/äöüÄÖÜß"
    for number in range(25):
        rng = random.Random(number)
        lines = ["".join(rng.choices(letters, k=rng.randint(1, 50))).strip() or "x" for _ in range(rng.randint(1, 6))]
        place = (rng.randint(0, 40), rng.randint(0, 40))
        assert read_text(written("\n".join(lines), scale=rng.randint(1, 2), at=place)) == "\n".join(lines)


@pytest.mark.parametrize(
    ("before", "behind", "filling"),
    [
        ("def add(a, b):\n    ", "\nprint(add(1, 2))", "return a + b"),
        ("def add(a, b):\n    return", "\n", " a + b"),
        ("def add(a: int, b: int = 2):\n", "\n", "    return a + b"),
    ],
)
def test_a_gap_is_filled(triton: EmbeddedTriton, before: str, behind: str, filling: str) -> None:
    prompt = f"<|fim_prefix|>{before}<|fim_suffix|>{behind}<|fim_middle|>"
    assert text_of(stream(triton, prompt)) == filling
    prose = "<|fim_prefix|>The harbour is<|fim_suffix|> Ships come and go.<|fim_middle|>"
    assert text_of(stream(triton, prose)).startswith(" ")
