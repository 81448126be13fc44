"""The tools of a request for a response: as functions for the model, and as the answer repeats them."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct

from inference.api.schemas import problems
from inference.api.schemas.decoding import convert
from inference.api.schemas.responses.fields import InputRequest
from inference.api.schemas.tools import Function, ToolName, tool_of, tooling_of
from inference.conversation import Tool, Tooling
from inference.tool_names import ClientTool, ToolNames


class Custom(Struct, gc=False):
    """A tool that takes one text; `format` may give a grammar for it."""

    name: ToolName
    description: str | None = None
    format: "CustomFormat | None" = None


class CustomFormat(Struct, gc=False):
    """What a custom tool takes: any text, or one by a grammar."""

    type: str
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None

    @property
    def is_grammar(self) -> bool:
        """Whether there is a grammar to keep to."""
        return self.type == "grammar" and bool(self.syntax and self.definition)


class Namespace(Struct, gc=False):
    """Tools under one name, as Codex sends them."""

    name: ToolName
    tools: list[dict[str, Any]]
    description: str | None = None


class Choice(Struct, gc=False):
    """A tool that the client wants called, or several of which the model is to choose."""

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: list[dict[str, Any]] | None = None


class Offered(Struct, frozen=True):
    """What is offered to the model, its names, and the tools as the answer repeats them."""

    tooling: Tooling | None
    names: ToolNames
    echo: list[dict[str, Any]]


Found = tuple[Function | Custom, str | None, str]


def offered_tools(request: InputRequest) -> Offered:
    """The functions and custom tools of a request, also those in namespaces.

    Tools that run at OpenAI, and types that nobody knows, are left out: Codex sends some unasked. Raises InvalidRequest
    for what is wrong with the others.
    """
    echo: list[dict[str, Any]] = []
    found = list(_found(request.tools or (), echo))
    names = ToolNames()
    tools: list[Tool] = []
    paths: list[str] = []
    # Plain names first: they cannot be changed.
    for definition, namespace, path in sorted(found, key=lambda entry: entry[1] is not None):
        custom = isinstance(definition, Custom)
        name = names.offer(ClientTool(definition.name, namespace, custom))
        if name is None:
            param = f"{path}.name"
            raise problems.invalid_value(param, f"Invalid value for '{param}': another tool has the same name.")
        tools.append(_tool(definition, name, path))
        paths.append(path)
    mode, chosen = _choice(request, names)
    tooling = tooling_of(tools, paths=paths, mode=mode, names=chosen, parallel=request.parallel_tool_calls)
    return Offered(tooling, names, echo)


def _found(tools: Sequence[dict[str, Any]], echo: list[dict[str, Any]]) -> Iterator[Found]:
    """Each tool with its namespace and path; what they look like in the answer goes into `echo`."""
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        if tool.get("type") == "namespace":
            namespace = convert(tool, Namespace, path)
            inner: list[dict[str, Any]] = []
            yield from _in_namespace(namespace, path, inner)
            description = namespace.description or ""
            echo.append({"type": "namespace", "name": namespace.name, "description": description, "tools": inner})
        elif (definition := _definition(tool, path, echo)) is not None:
            yield definition, None, path


def _in_namespace(namespace: Namespace, path: str, echo: list[dict[str, Any]]) -> Iterator[Found]:
    description = namespace.description
    for position, inner in enumerate(namespace.tools):
        inner_path = f"{path}.tools[{position}]"
        definition = _definition(inner, inner_path, echo)
        if definition is None:
            continue
        if description:
            # A model that knows no namespaces reads what theirs is about with its first tool.
            definition.description = "\n\n".join(filter(None, (description, definition.description)))
            description = None
        yield definition, namespace.name, inner_path


def _definition(tool: dict[str, Any], path: str, echo: list[dict[str, Any]]) -> Function | Custom | None:
    kind = tool.get("type")
    if kind == "function":
        function = convert(tool, Function, path)
        fields = {"name": function.name, "description": function.description, "parameters": function.parameters}
        echo.append({"type": kind, **fields, "strict": function.strict})
        return function
    if kind == "custom":
        custom = convert(tool, Custom, path)
        echo.append({"type": kind, "name": custom.name, "description": custom.description, "format": _format(custom)})
        return custom
    if not isinstance(kind, str):
        raise problems.missing(f"{path}.type") if kind is None else problems.wrong_value(f"{path}.type", ())
    return None


def _format(custom: Custom) -> dict[str, Any]:
    found = custom.format
    if found is None or not found.is_grammar:
        return {"type": "text"}
    return {"type": "grammar", "syntax": found.syntax, "definition": found.definition}


def _tool(definition: Function | Custom, name: str, path: str) -> Tool:
    if isinstance(definition, Function):
        definition.name = name
        return tool_of(definition, path)
    description = definition.description
    found = definition.format
    if found is not None and found.is_grammar:
        # Engines guide by the schema of a call, which holds the text as a string: the grammar is for the model to keep.
        grammar = f"The input follows this {found.syntax} grammar:\n{found.definition}"
        description = "\n\n".join(filter(None, (description, grammar)))
    parameters = {
        "type": "object",
        "properties": {"input": {"type": "string", "description": "The whole input, as plain text."}},
        "required": ["input"],
        "additionalProperties": False,
    }
    return Tool(name, description, parameters)


def _choice(request: InputRequest, names: ToolNames) -> tuple[str | None, dict[str, str] | None]:
    """The mode of the choice, and the functions it is about, by the paths that name them; None: all."""
    choice = request.tool_choice
    if choice is None or isinstance(choice, str):
        return choice, None
    chosen = convert(choice, Choice, "tool_choice")
    if chosen.type in ("function", "custom"):
        return "function", {_offered(chosen, names, "tool_choice"): "tool_choice.name"}
    if chosen.type != "allowed_tools":
        raise problems.wrong_value("tool_choice.type", ("function", "custom", "allowed_tools"))
    if chosen.mode not in ("auto", "required"):
        raise problems.wrong_value("tool_choice.mode", ("auto", "required"))
    allowed: dict[str, str] = {}
    for index, entry in enumerate(chosen.tools or ()):
        path = f"tool_choice.tools[{index}]"
        one = convert(entry, Choice, path)
        if one.type in ("function", "custom"):
            allowed[_offered(one, names, path)] = f"{path}.name"
    if chosen.mode == "required" and not allowed:
        raise problems.invalid_value("tool_choice.tools", "Invalid value for 'tool_choice.tools': no tool is left.")
    return chosen.mode, allowed


def _offered(choice: Choice, names: ToolNames, path: str) -> str:
    if choice.name is None:
        raise problems.missing(f"{path}.name")
    # An unknown name stays as it is: `tooling_of` refuses it with its path.
    return names.offered(choice.name, choice.namespace) or choice.name
