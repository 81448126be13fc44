"""What this API is, for programs and for people: the OpenAPI document at `/v1/openapi.json`.

A new endpoint brings its description along: an `Operation` for each method, in its view's `operations`.
"""

from inference.api.openapi.operation import Example, Operation, Query

__all__ = ["Example", "Operation", "Query"]
