"""demo-embed: similar texts are near each other, and their tokens are counted."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from inference.embedded_triton import EmbeddedTriton
from tests.engines import ROOT
from tests.triton.tensors import file, infer, number, outputs, text


def embedded(triton: EmbeddedTriton, *texts: str) -> tuple[np.ndarray, list[int]]:
    """A vector and a number of tokens for each text."""
    found = outputs(infer(triton, "demo-embed", text("TEXT", *texts, shape=[len(texts), 1])))
    return np.asarray(found["EMBEDDING"]), np.asarray(found["TOKENS"]).reshape(-1).tolist()


@pytest.mark.parametrize(
    ("one", "paraphrase", "stranger"),
    [
        (
            "How do I reset my password?",
            "I forgot my password, how can it be reset?",
            "How do I get to the station from here?",
        ),
        ("The ship reaches Hamburg at noon.", "At noon the ships arrive in Hamburg.", "The cat sleeps on the roof."),
        (
            "Wie kündige ich meinen Vertrag?",
            "Ich möchte den Vertrag kündigen, was muss ich tun?",
            "Wie wird das Wetter am Wochenende?",
        ),
        ("Photosynthesis in plants", "Die Photosynthese der Pflanzen", "Interest rates of banks"),
    ],
)
def test_paraphrases_are_nearer_than_strangers(
    triton: EmbeddedTriton, one: str, paraphrase: str, stranger: str
) -> None:
    vectors, _ = embedded(triton, one, paraphrase, stranger)
    near, far = float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])
    assert near > 2 * far
    assert near > 0.3


def test_vectors_have_256_dimensions_and_unit_length_and_depend_on_nothing_but_their_text(
    triton: EmbeddedTriton,
) -> None:
    texts = ("a harbour", "", "Ä😀", "word " * 500, "a harbour")
    vectors, _ = embedded(triton, *texts)
    assert vectors.shape == (5, 256)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert (vectors[0] == vectors[4]).all()
    alone, _ = embedded(triton, "a harbour")
    assert (alone[0] == vectors[0]).all()


def test_tokens_are_the_tokenizers(triton: EmbeddedTriton) -> None:
    tokenizer = Tokenizer.from_file(str(ROOT / "demo" / "assets" / "demo-chat" / "tokenizer.json"))
    texts = ("Grüße aus Köln 😀", "", "one two three")
    assert embedded(triton, *texts)[1] == [len(tokenizer.encode(each).ids) for each in texts]


def test_more_than_a_batch_is_refused(triton: EmbeddedTriton) -> None:
    assert infer(triton, "demo-embed", text("TEXT", *["x"] * 65, shape=[65, 1])).status_code == 400
    assert embedded(triton, *["x"] * 64)[0].shape == (64, 256)


def test_directives_spoil_an_answer_and_are_no_part_of_the_text(triton: EmbeddedTriton) -> None:
    vectors, _ = embedded(triton, "[[nan]]harbour", "harbour")
    assert np.isnan(vectors[0][0])
    assert (vectors[0][1:] == vectors[1][1:]).all()
    assert embedded(triton, "[[short]]harbour", "ship")[0].shape == (1, 256)
    failed = infer(triton, "demo-embed", text("TEXT", "[[fail]]harbour", shape=[1, 1]))
    assert failed.status_code == 500
    assert "harbour" not in failed.text


def test_log_holds_nothing_of_a_request(triton: EmbeddedTriton) -> None:
    canary = "kingfisher4182"
    for model, inputs in (
        ("demo-embed", [text("TEXT", f"{canary} [[fail]]", shape=[1, 1])]),
        ("demo-rerank", [text("QUERY", canary), text("DOCUMENTS", f"{canary} [[fail]]")]),
        ("demo-image", [text("prompt", f"{canary} [[fail]]"), number("width", 8), number("height", 8)]),
        (
            "demo-image",
            [text("prompt", canary), number("width", 8), number("height", 8), file("image", canary.encode())],
        ),
    ):
        answer = infer(triton, model, *inputs)
        assert answer.status_code in (400, 500)
        assert canary not in answer.text
    assert triton.log_path
    log = triton.log_path.read_text(errors="replace")
    assert "demo-embed" in log
    assert canary not in log
