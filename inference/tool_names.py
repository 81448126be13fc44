"""Names of tools: a client's may stand in namespaces and take free text, a model's are all functions in one row."""

from msgspec import Struct

# What a model calls a function may have so many characters.
LONGEST = 64


class ClientTool(Struct, frozen=True):
    """A tool as the client names it. `custom`: it takes one text rather than an object."""

    name: str
    namespace: str | None = None
    custom: bool = False


class ToolNames:
    """The client's tools by the names under which they are offered to a model."""

    def __init__(self) -> None:
        self._offered: dict[str, ClientTool] = {}
        self._names: dict[tuple[str | None, str], str] = {}

    def offer(self, tool: ClientTool) -> str | None:
        """The name for a further tool; None where its own is taken.

        One in a namespace keeps its plain name unless another has it, so that a model finds it as it is described.
        """
        name = tool.name
        if name in self._offered and tool.namespace is not None:
            name = f"{tool.namespace[: max(0, LONGEST - 2 - len(name))]}__{name}"
        if name in self._offered:
            return None
        self._offered[name] = tool
        self._names[tool.namespace, tool.name] = name
        return name

    def offered(self, name: str, namespace: str | None = None) -> str | None:
        """What the model knows the client's tool by; None: not at all."""
        return self._names.get((namespace, name))

    def client(self, name: str) -> ClientTool:
        """The client's tool that a model calls by `name`."""
        return self._offered.get(name) or ClientTool(name)
