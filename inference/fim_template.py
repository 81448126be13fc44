"""Fill-in-the-middle templates: what stands before and after a gap into the text that a model was trained on.

For example Qwen2.5-Coder's: `<|fim_prefix|>{{ prefix }}<|fim_suffix|>{{ suffix }}<|fim_middle|>`.
"""

import re
from collections.abc import Sequence

from inference.errors import ServerError
from inference.special_tokens import AssetError, SpecialTokens
from inference.template_sandbox import compiled, rendered

# How templates spell their markers, which few tokenizers list as special: <|fim_prefix|> (also with DeepSeek's
# full-width bars), <fim_prefix>, <PRE>, [SUFFIX].
MARKERS = re.compile(r"<[^<>{}\s'\"]{1,80}>|\[[A-Z_]+\]")
PROBES = ("What comes before.", "What comes after.")
# Milliseconds of breaking up what spells a marker.
MS_PER_MARK = 2e-4


class FimTemplateError(AssetError):
    """The template cannot be used; the message is for the operator."""


class FimTemplate:
    """One model's template, compiled."""

    def __init__(self, source: str, *, special_tokens: Sequence[str] = ()) -> None:
        """Compiles `source`; raises FimTemplateError. `special_tokens`: what the tokenizer turns into special ids."""
        try:
            self._template = compiled(source, "fill-in-the-middle template")
        except AssetError as error:
            raise FimTemplateError(str(error)) from None
        self._special = SpecialTokens((*special_tokens, *MARKERS.findall(source)))
        try:
            probe = self._render(*PROBES)
        # A template is a program that may fail in any way.
        except Exception as error:  # noqa: BLE001
            problem = f"The fill-in-the-middle template cannot be rendered: {type(error).__name__}."
            raise FimTemplateError(problem) from None
        for name, text in zip(("prefix", "suffix"), PROBES, strict=True):
            if text not in probe:
                raise FimTemplateError(f"The fill-in-the-middle template leaves out its {name}.")

    def effort(self, prefix: str, suffix: str) -> float:
        """Milliseconds that `render` takes at most, by an estimate that costs next to nothing."""
        return (self._special.marks(prefix) + self._special.marks(suffix)) * MS_PER_MARK

    def render(self, prefix: str, suffix: str) -> str:
        """The prompt for what goes between; both texts are the client's, and spell no marker in it.

        Raises ServerError for a template that fails, which holds none of them.
        """
        try:
            return self._render(self._special.neutralise(prefix), self._special.neutralise(suffix))
        # As above; and its text may quote what it was given.
        except Exception:  # noqa: BLE001
            problem = ServerError("The model's fill-in-the-middle template fails.", code="fim_template_error")
        raise problem

    def _render(self, prefix: str, suffix: str) -> str:
        variables = {**self._template.globals, "prefix": prefix, "suffix": suffix}
        return rendered(self._template, variables, lambda: len(prefix) + len(suffix))
