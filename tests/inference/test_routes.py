"""What the API says of URLs: which it serves, and which of OpenAI's it does not."""

import pytest
from django.urls import get_resolver, include, path
from django.views import View

from inference.routes import OPENAI_ROUTES, ROUTES, _below, endpoints, unknown_route
from tests.inference.getting import fetch


class Both(View):
    """Two methods."""

    def get(self) -> None: ...

    def post(self) -> None: ...


def test_every_url_of_the_configuration_is_an_endpoint() -> None:
    found = endpoints()
    assert ("POST", "/v1/chat/completions") in found
    assert ("GET", "/v1/models/{model_id}") in found
    views = [entry.callback.cls for entry in get_resolver(ROUTES).url_patterns]
    # But for those that only say that there is nothing.
    listed = [view for view in views if getattr(view, "listed", True)]
    assert len({path for _, path in found}) == len(listed)
    assert len(views) - len(listed) == 3
    assert ("POST", "/v1/responses") in found


def test_included_urls_and_several_parameters_and_methods_are_found() -> None:
    class Configuration:
        view = Both.as_view()
        view.cls = Both
        url_patterns = (path("a/<slug:one>/", include([path("<int:two>/b/<three>", view)])),)

    assert list(_below(Configuration, "/")) == [
        ("GET", "/a/{one}/{two}/b/{three}"),
        ("POST", "/a/{one}/{two}/b/{three}"),
    ]


@pytest.mark.parametrize("url", ["/v1/nope", "/v1/", "/v1", "/v1/messages", "/v1/chat/completions/extra"])
def test_an_unknown_url_learns_which_there_are(url: str) -> None:
    answer = fetch(url, method="POST")
    assert answer.status == 404
    error = answer.error
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, "unknown_url")
    assert error["message"].startswith(f"Invalid URL (POST {url}). Endpoints: POST /v1/chat/completions, ")
    assert all(f"{method} {path}" in error["message"] for method, path in endpoints())


@pytest.mark.parametrize(
    ("url", "theirs"),
    [
        ("/v1/audio/transcriptions", "/v1/audio"),
        ("/v1/files", "/v1/files"),
        ("/v1/fine_tuning/jobs/ftjob-1", "/v1/fine_tuning"),
        ("/v1/images/variations", "/v1/images/variations"),
        ("/v1/vector_stores", "/v1/vector_stores"),
    ],
)
def test_a_route_of_openai_is_said_not_to_be_served(url: str, theirs: str) -> None:
    assert f"(GET {url}). OpenAI's {theirs} is not served here. Endpoints: " in fetch(url).error["message"]


def test_nothing_that_is_served_is_said_not_to_be() -> None:
    for _, url in endpoints():
        assert "not served here" not in unknown_route("PUT", f"{url}/more").message
    assert "not served here" not in unknown_route("GET", "/v1/filesystem").message
    assert all(route.startswith("/v1/") for route in OPENAI_ROUTES)


def test_a_path_is_repeated_only_as_far_as_it_helps() -> None:
    assert len(fetch(f"/v1/{'x' * 100_000}").body) < 2000


def test_a_known_url_with_a_wrong_method_is_not_unknown() -> None:
    answer = fetch("/v1/chat/completions", method="DELETE")
    assert (answer.status, answer.error["code"]) == (405, "method_not_supported")
