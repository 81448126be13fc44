"""Whether a page came by https, and cookies that stay on it."""

import subprocess
import sys

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory

from config.proxies import forwarded_proto_middleware
from tests.engines import ROOT, plain_environment

HTTPS = {"HTTP_X_FORWARDED_PROTO": "https"}
SERVERS = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "SECRET_KEY": "for this test",
    "API_KEY_PEPPER": "for this test as well",
    "TOKEN_SIGNING_KEY": "and for this test, too",
}


@pytest.fixture
def behind_a_proxy(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def scheme(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.scheme)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.1", HTTPS, b"https"),
        ("::ffff:10.0.0.1", HTTPS, b"https"),
        ("10.0.0.1", {}, b"http"),
        ("203.0.113.9", HTTPS, b"http"),
        ("203.0.113.9", {**HTTPS, "HTTP_X_FORWARDED_FOR": "10.0.0.1"}, b"http"),
        ("", HTTPS, b"http"),
    ],
)
def test_only_a_trusted_proxy_says_that_a_page_came_by_https(behind_a_proxy, peer, headers, expected):
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **headers)
    assert forwarded_proto_middleware(scheme)(request).content == expected


@pytest.mark.parametrize(("peer", "expected"), [("10.0.0.1", b"https"), ("203.0.113.9", b"http")])
async def test_it_is_the_same_under_asgi(behind_a_proxy, peer, expected):
    async def answer(request: HttpRequest) -> HttpResponse:
        return scheme(request)

    request = AsyncRequestFactory().get("/", headers={"x-forwarded-proto": "https"})
    request.META["REMOTE_ADDR"] = peer
    assert (await forwarded_proto_middleware(answer)(request)).content == expected


def test_a_client_cannot_talk_itself_past_the_redirect_to_https(behind_a_proxy, settings):
    settings.SECURE_SSL_REDIRECT = True
    forged = Client().get("/login/", REMOTE_ADDR="203.0.113.9", **HTTPS)
    assert (forged.status_code, forged["Location"]) == (301, "https://testserver/login/")


@pytest.mark.parametrize(
    ("environment", "secure"),
    [
        ({}, False),
        ({"PUBLIC_URL": "https://ai.example.eu"}, True),
        (SERVERS, True),
        (SERVERS | {"PUBLIC_URL": "https://ai.example.eu"}, True),
        (SERVERS | {"PUBLIC_URL": "http://127.0.0.1:8000"}, False),
    ],
)
def test_cookies_stay_on_https_wherever_customers_are_served(tmp_path, environment, secure):
    code = "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE)"
    env = plain_environment() | {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"} | environment
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(secure)] * 2
