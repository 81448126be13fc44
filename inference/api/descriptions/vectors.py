"""Embeddings and rerank."""

from inference.api.answers.vectors import EmbeddingList, Ranking
from inference.api.openapi import Example, Operation
from inference.api.schemas.embeddings import EmbeddingsRequest
from inference.api.schemas.rerank import RerankRequest

CREATE_EMBEDDINGS = Operation(
    id="createEmbeddings",
    summary="Vectors of texts",
    tag="Vectors and ranks",
    description="Of one text, of up to 2,048, or of token ids, in the order of the inputs.",
    request=EmbeddingsRequest,
    answer=EmbeddingList,
    of_model=True,
    examples={
        "plain": Example(summary="One text", body={"model": "demo-embed", "input": "The cog left the port."}),
        "several": Example(
            summary="Two texts, shorter vectors as bytes",
            body={
                "model": "demo-embed",
                "input": ["one", "two"],
                "encoding_format": "base64",
                "dimensions": 64,
            },
        ),
    },
    example_answer={
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.6, -0.8]}],
        "model": "demo-embed",
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    },
)
RERANK = Operation(
    id="rerank",
    summary="Documents in the order of what they have to do with a query",
    tag="Vectors and ranks",
    description="For clients of Jina and of both versions of Cohere.",
    request=RerankRequest,
    answer=Ranking,
    of_model=True,
    examples={
        "plain": Example(
            summary="The better of two texts",
            body={
                "model": "demo-rerank",
                "query": "ships",
                "documents": ["A cog is a ship.", "Rye is a grain."],
                "top_n": 1,
                "return_documents": False,
            },
        ),
        "objects": Example(
            summary="Documents with more than a text",
            body={"model": "demo-rerank", "query": "ships", "documents": [{"text": "A cog.", "id": "7"}]},
        ),
    },
)
