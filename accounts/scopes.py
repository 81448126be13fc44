"""What a key may do, by name."""

SCOPES: dict[str, str] = {
    "chat": "Chat completions",
    "completions": "Text completions",
    "responses": "Responses",
    "embeddings": "Embeddings",
    "rerank": "Reranking",
    "images": "Image generation",
    "models": "List models",
    "usage:read": "Read the organization's usage and cost",
}

# Usage tells about every project of the organization: a key that only runs models does not need it.
DEFAULT_SCOPES: tuple[str, ...] = tuple(scope for scope in SCOPES if scope != "usage:read")
