"""A small model's assets, made on the spot: a byte-level BPE tokenizer and a ChatML template."""

import json
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{%- for message in messages -%}\n"
    "<|im_start|>{{ message['role'] }}{% if message.name %} {{ message.name }}{% endif %}{{ '\\n' }}"
    "{{ message['content'] }}<|im_end|>{{ '\\n' }}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "<|im_start|>assistant{{ '\\n' }}\n"
    "{%- endif -%}\n"
)
TEXTS = ("the quick brown fox jumps over the lazy dog " * 3, "im_start im_end system user assistant hello world")


def byte_level_tokenizer(special: tuple[str, ...] = SPECIAL) -> tokenizers.Tokenizer:
    """A tokenizer that can encode any text."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def write_assets(folder: Path, *, config: dict | None = None, template: str | None = CHATML) -> Path:
    """Writes the files of a model folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"} if config is None else config))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder
