"""Makes `demo-chat/tokenizer.json` from `corpus/`: a byte-level BPE, the same file from the same corpus every time.

Run it from the root: `.venv/bin/python demo/assets/train_tokenizer.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
TARGET = HERE / "demo-chat"
# Shares demo-chat's tokenizer.json by a link, and ends its turns otherwise.
HARMONY = HERE / "demo-chat-harmony"
VOCABULARY = 6144
# Ids 0 to 2. They end turns and never appear in text.
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Marks that are one token each and do appear in text, as in the Qwen family.
MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
# Special tokens that came later and stand at the end, so that no other id changed: images (Qwen-VL), completions with
# a suffix (Qwen-Coder), and the turns and channels of gpt-oss, for demo-chat-harmony.
LATER = (
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    *("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>"),
)
MAX_MODEL_LENGTH = 8192
# GPT-4's way to cut text before merging: contractions, words with one leading character, short digit runs,
# punctuation, line ends.
CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def corpus() -> Iterator[str]:
    """The texts, and the word list: early words are common and are repeated more often; capitalised ones too."""
    for name in ("english.txt", "german.txt", "code.txt"):
        yield (HERE / "corpus" / name).read_text(encoding="utf-8")
    for line in (HERE / "corpus" / "words.txt").read_text(encoding="utf-8").splitlines():
        for rank, word in enumerate(line.split()):
            yield f" {word}" * (12 if rank < 300 else 6)
            yield f" {word.capitalize()}\n{word.capitalize()}" * (3 if rank < 300 else 1)


def train() -> Tokenizer:
    """Learn the merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CUT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKS])
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in LATER])
    return tokenizer


def main() -> None:
    """Write tokenizer.json and tokenizer_config.json."""
    tokenizer = train()
    TARGET.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(TARGET / "tokenizer.json"))
    added = {
        str(tokenizer.token_to_id(text)): {
            "content": text,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": text not in MARKS,
        }
        for text in (*SPECIAL, *MARKS, *LATER)
    }
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>", *LATER],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "model_max_length": MAX_MODEL_LENGTH,
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    (TARGET / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    harmony = {**config, "eos_token": "<|return|>"}
    (HARMONY / "tokenizer_config.json").write_text(json.dumps(harmony, indent=2) + "\n", encoding="utf-8")
    print(f"{tokenizer.get_vocab_size()} tokens in {TARGET}")


if __name__ == "__main__":
    main()
