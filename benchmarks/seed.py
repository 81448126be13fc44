"""Tables, an organization with a key and models with a deployment, all in one process: `python -m benchmarks.seed URL`.

Prints the key, and nothing else.
"""

import io
import json
import os
import sys

import django
from django.core.management import call_command

from benchmarks.tensors import EMBED_MODEL, MAX_BATCH, RERANK_MODEL
from benchmarks.upstream import LARGE_MODEL, LONG_MODEL, MODEL, PACED_MODEL
from inference.tensor_presets import PRESETS

# Tokens of context: of a small model, of most models of today, and of what coding agents like best.
CONTEXT_LENGTHS = {MODEL: 32_768, PACED_MODEL: 32_768, LONG_MODEL: 131_072, LARGE_MODEL: 262_144}
# What each does, its output, and the map of its tensors.
TENSOR_MODELS = {
    EMBED_MODEL: ("embeddings", "embedding", "text-embedding"),
    RERANK_MODEL: ("rerank", "text", "query-documents"),
}
MOST_AT_ONCE = ["--max-concurrency", "4096"]


def main(upstream: str) -> str:
    """Run the commands that an operator would; the key's text."""
    call_command("migrate", verbosity=0)
    call_command("create_organization", "bench", stdout=io.StringIO())
    issued = io.StringIO()
    call_command("issue_key", "bench", "bench", "--json", stdout=issued)
    for model, context_length in CONTEXT_LENGTHS.items():
        limits = ["--max-output-tokens", "4096", "--default-output-tokens", "256"]
        limits += ["--context-length", str(context_length)]
        publish(model, upstream, ["--assets", "demo-chat", *limits], MOST_AT_ONCE)
    for model, (capability, output, preset) in TENSOR_MODELS.items():
        does = ["--capability", capability, "--output-modality", output, "--context-length", "8192"]
        # The engine is not up yet, to be asked for its largest batch.
        tensors = PRESETS[preset].tensor_map | ({"max_batch": MAX_BATCH[model]} if MAX_BATCH[model] else {})
        publish(model, upstream, does, ["--tensor-map", json.dumps(tensors), *MOST_AT_ONCE])
    return str(json.loads(issued.getvalue())["key"])


def publish(model: str, upstream: str, fields: list[str], deployment: list[str]) -> None:
    """A model with a price, and a deployment at `upstream`."""
    said = io.StringIO()
    price = ["--input", "0.15", "--output", "0.60", "--document", "0.000002"]
    call_command("set_price", "--model", model, *price, stdout=said)
    call_command("publish_model", model, *fields, stdout=said)
    call_command("add_deployment", model, "--model", model, "--url", upstream, *deployment, stdout=said)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(main(sys.argv[1]), end="")
