"""Counting tokens, and loading a model's assets."""

import asyncio
import json
import time
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, normalizers, processors

from inference.tokenization import (
    INLINE_CHARACTERS,
    AssetError,
    Tokenizer,
    count_tokens,
    load_assets,
    may_well_fit,
)
from tests.inference.small_assets import CHATML, SPECIAL, byte_level_tokenizer, write_assets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_assets(tmp_path / "model")


def saved(tokenizer: tokenizers.Tokenizer, folder: Path) -> Path:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_a_model_folder_is_loaded(folder: Path) -> None:
    assets = load_assets(folder)
    prompt = assets.chat_template.render([{"role": "user", "content": "hello <|im_end|>"}])
    assert prompt == "<|im_start|>user\nhello < |im_end|><|im_end|>\n<|im_start|>assistant\n"
    assert assets.tokenizer.special_tokens == SPECIAL
    assert assets.tokenizer.count(prompt) == len(byte_level_tokenizer().encode(prompt).ids)
    assert assets.tokenizer.vocabulary_size == byte_level_tokenizer().get_vocab_size()


def test_the_catalogues_template_replaces_the_folders(folder: Path) -> None:
    assert load_assets(folder, "{{ messages[0].content }}!").chat_template.render(
        [{"role": "user", "content": "Hi"}]
    ) == ("Hi!")


@pytest.mark.parametrize(
    "entry", [CHATML, [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHATML}]]
)
def test_the_template_may_be_in_the_config(tmp_path: Path, entry: object) -> None:
    folder = write_assets(tmp_path / "model", config={"chat_template": entry}, template=None)
    assert "<|im_start|>" in load_assets(folder).chat_template.render([{"role": "user", "content": "Hi"}])


def test_tokens_are_read_in_both_spellings(tmp_path: Path) -> None:
    config = {"bos_token": {"content": "<s>", "special": True}, "eos_token": "</s>", "pad_token": None}
    template = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"
    folder = write_assets(tmp_path / "model", config=config, template=template)
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"additional_special_tokens": ["<tool>", {"content": "<end>"}]})
    )
    assets = load_assets(folder)
    assert assets.chat_template.render([{"role": "user", "content": "<tool><end><s>"}]) == "<s>< tool>< end>< s></s>"


def test_a_folder_that_cannot_be_used_is_told_by_file(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="is no folder"):
        load_assets(tmp_path / "missing")
    folder = write_assets(tmp_path / "model", template=None)
    with pytest.raises(AssetError, match="no chat template"):
        load_assets(folder)
    (folder / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(AssetError, match=r"chat_template\.jinja cannot be read: UnicodeDecodeError"):
        load_assets(folder)
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(AssetError, match=r"tokenizer_config\.json holds no JSON object"):
        load_assets(folder)
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(AssetError, match=r"tokenizer_config\.json cannot be read"):
        load_assets(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(AssetError, match=r"tokenizer\.json is no tokenizer"):
        load_assets(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(AssetError, match=r"tokenizer\.json cannot be read: No such file"):
        load_assets(folder)


def test_a_model_that_does_not_chat_needs_no_chat_template(tmp_path: Path) -> None:
    folder = write_assets(tmp_path / "model", template=None)
    fim = "<|fim|>{{ prefix }}<|hole|>{{ suffix }}"
    assets = load_assets(folder, chats=False, fim_template=fim)
    assert assets.fim is not None
    assert assets.fim.render("a<|im_end|>", "b") == "<|fim|>a< |im_end|><|hole|>b"
    with pytest.raises(AssetError, match="no chat template"):
        _ = assets.chat_template


def test_token_ids_become_the_text_that_becomes_them(folder: Path) -> None:
    tokenizer = load_assets(folder).tokenizer
    for text in ("the quick brown fox", "<|im_start|>user\nthe lazy dog<|im_end|>", "Größe \U0001f600", "a \x00 b"):
        assert tokenizer.text_of(tokenizer.encode(text)) == text


def test_token_ids_that_no_text_becomes_are_told(folder: Path) -> None:
    tokenizer = load_assets(folder).tokenizer
    # Half a character, and two tokens for what is one.
    assert tokenizer.text_of(tokenizer.encode("\U0001f600")[:1]) is None
    halves = [*tokenizer.encode("th"), *tokenizer.encode("e")]
    assert halves != tokenizer.encode("the")
    assert tokenizer.text_of(halves) is None


def test_a_text_of_nothing_begins_as_a_document_does(tmp_path: Path) -> None:
    def start(**config: str) -> str | None:
        return load_assets(write_assets(tmp_path / "model", config=config)).tokenizer.document_start

    assert start() == "<|endoftext|>"
    assert start(bos_token="<|im_start|>") == "<|im_start|>"
    assert Tokenizer(saved(byte_level_tokenizer(("<x>",)), tmp_path)).document_start is None


def test_a_prompt_has_one_begin_token_whoever_writes_it(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer((*SPECIAL, "<s>"))
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    counted = Tokenizer(saved(tokenizer, tmp_path), bos_token="<s>")
    assert counted.encode("<s>hello") == counted.encode("hello")
    assert counted.encode("hello")[0] == bos
    # Token ids may lack it: the engine adds it to them, too.
    for ids in (counted.encode("hello"), counted.encode("hello")[1:]):
        assert counted.encode(counted.text_of(ids) or "") == counted.encode("hello")


def test_truncation_in_the_file_does_not_shorten_the_count(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=10)
    assert Tokenizer(saved(tokenizer, tmp_path)).count("x" * 50) > 10


@pytest.mark.parametrize("normalizer", [normalizers.Lowercase(), normalizers.NFKC(), normalizers.StripAccents()])
def test_special_tokens_that_other_spellings_turn_into_are_refused(
    tmp_path: Path, normalizer: normalizers.Normalizer
) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizer])
    assert Tokenizer(saved(tokenizer, tmp_path)).special_tokens == SPECIAL
    tokenizer.add_special_tokens([AddedToken("<|tool|>", special=True, normalized=True)])
    path = saved(tokenizer, tmp_path)
    with pytest.raises(AssetError, match=r"turn into the special token <\|tool\|>"):
        Tokenizer(path)


async def test_a_long_text_is_counted_off_the_event_loop(folder: Path) -> None:
    tokenizer = load_assets(folder).tokenizer
    text = "hello quick brown world, " * 20_000
    longest, done = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not done:
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    before = time.perf_counter()
    count = await count_tokens(tokenizer, text)
    took = time.perf_counter() - before
    done = True
    await watcher
    assert count == tokenizer.count(text)
    assert longest < took / 2


@pytest.mark.parametrize("length", [0, 1, INLINE_CHARACTERS, INLINE_CHARACTERS + 1])
async def test_the_count_does_not_depend_on_where_it_is_made(folder: Path, length: int) -> None:
    tokenizer = load_assets(folder).tokenizer
    text = ("the lazy dog " * INLINE_CHARACTERS)[:length]
    assert await count_tokens(tokenizer, text) == tokenizer.count(text)
    assert await count_tokens(tokenizer, text, limit=10**9) == tokenizer.count(text)


async def test_counting_stops_early_far_over_the_limit(folder: Path) -> None:
    tokenizer = load_assets(folder).tokenizer
    text = "dog " * 10_000
    at_least = await count_tokens(tokenizer, text, limit=100)
    assert 100 < at_least < tokenizer.count(text)


async def test_a_text_of_long_tokens_is_counted_to_its_end(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer((*SPECIAL, "=" * 100))
    counted = Tokenizer(saved(tokenizer, tmp_path))
    text = "=" * 100 * 300
    assert await count_tokens(counted, text, limit=1_000) == 300
    assert await count_tokens(counted, text, limit=299) == 300


@pytest.mark.parametrize(
    ("text", "tokens", "fits"),
    [
        ("plain words", 6, True),
        ("plain words", 5, False),
        ("Grüße", 4, True),
        ("Grüße", 3, False),
        ("", 0, True),
        ("a", -5, False),
    ],
)
def test_a_text_may_well_fit_at_two_bytes_a_token(text: str, tokens: int, fits: bool) -> None:
    assert may_well_fit(text, tokens) is fits
