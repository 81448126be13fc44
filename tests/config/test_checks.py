"""`manage.py check --deploy`."""

import secrets

import pytest

from config.checks import check_addresses, check_secrets, check_storage, entropy_bits, matches

GOOD = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "API_KEY_PEPPER": secrets.token_urlsafe(48),
    "TOKEN_SIGNING_KEY": secrets.token_urlsafe(48),
    "TOKEN_SIGNING_KEY_FALLBACKS": [],
    "ALLOWED_HOSTS": ["ai.example.eu"],
    "PUBLIC_URL": "https://ai.example.eu",
    "DEBUG": False,
    "EMBEDDED": False,
    "REDIS_URL": "redis://cache:6379/0",
}


def found(settings, **changes):
    for name, value in {**GOOD, **changes}.items():
        setattr(settings, name, value)
    return [message.id for check in (check_secrets, check_addresses, check_storage) for message in check(None)]


def test_good_settings_pass(settings):
    assert found(settings) == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "API_KEY_PEPPER", "TOKEN_SIGNING_KEY"])
@pytest.mark.parametrize("value", ["short", "changeme" * 2, "a" * 200, "0123456789" * 3])
def test_weak_secret_is_an_error(settings, name, value):
    assert found(settings, **{name: value}) == ["hanse.E001"]


def test_same_secret_twice_is_an_error(settings):
    assert found(settings, API_KEY_PEPPER=GOOD["SECRET_KEY"]) == ["hanse.E002"]
    assert found(settings, TOKEN_SIGNING_KEY=GOOD["API_KEY_PEPPER"]) == ["hanse.E002"]
    assert found(settings, TOKEN_SIGNING_KEY_FALLBACKS=[GOOD["TOKEN_SIGNING_KEY"]]) == ["hanse.E002"]


def test_every_fallback_is_looked_at(settings):
    assert found(settings, TOKEN_SIGNING_KEY_FALLBACKS=[secrets.token_urlsafe(48), "short"]) == ["hanse.E001"]


@pytest.mark.parametrize("hosts", [[], ["*"], ["ai.example.eu", "*"]])
def test_hosts_must_be_named(settings, hosts):
    assert "hanse.E003" in found(settings, ALLOWED_HOSTS=hosts)


def test_public_url_must_be_set(settings):
    assert found(settings, PUBLIC_URL="") == ["hanse.E004"]


def test_public_url_must_be_https(settings):
    assert found(settings, PUBLIC_URL="http://ai.example.eu") == ["hanse.E005"]


def test_public_url_must_be_an_allowed_host(settings):
    assert found(settings, PUBLIC_URL="https://other.example.eu") == ["hanse.E006"]
    assert found(settings, PUBLIC_URL="https://other.example.eu", ALLOWED_HOSTS=[".example.eu"]) == []


def test_debug_is_an_error(settings):
    assert found(settings, DEBUG=True) == ["hanse.E007"]


def test_embedded_database_is_a_warning(settings):
    assert found(settings, EMBEDDED=True, REDIS_URL="") == ["hanse.W001"]


def test_missing_redis_is_a_warning(settings):
    assert found(settings, REDIS_URL="") == ["hanse.W002"]


def test_messages_never_hold_a_secret(settings):
    for name, value in {**GOOD, "SECRET_KEY": "weak-canary", "API_KEY_PEPPER": "weak-canary"}.items():
        setattr(settings, name, value)
    assert "weak-canary" not in "".join(f"{message.msg}{message.hint}" for message in check_secrets(None))


def test_entropy_grows_with_length_and_variety():
    assert entropy_bits("aaaaaaaa") == 0
    assert entropy_bits("abababab") == pytest.approx(8)
    assert entropy_bits(secrets.token_urlsafe(38)) > 180


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("a.example.eu", ".example.eu", True),
        ("example.eu", ".example.eu", True),
        ("badexample.eu", ".example.eu", False),
        ("example.eu", "example.eu", True),
        ("a.example.eu", "example.eu", False),
    ],
)
def test_hosts_match_as_in_django(name, allowed, expected):
    assert matches(name, allowed) is expected


def test_check_deploy_of_the_embedded_default_names_what_is_missing(manage):
    done = manage("check", "--deploy")
    assert done.returncode == 1
    for expected in ("hanse.E004", "PUBLIC_URL is not set", "hanse.W001", "DATABASE_URL is not set"):
        assert expected in done.stderr


def test_check_deploy_of_a_good_installation_passes(manage):
    done = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        DATABASE_URL="postgres://hanse@127.0.0.1:1/hanse",
        REDIS_URL="redis://127.0.0.1:1/0",
        SECRET_KEY=GOOD["SECRET_KEY"],
        API_KEY_PEPPER=GOOD["API_KEY_PEPPER"],
        TOKEN_SIGNING_KEY=GOOD["TOKEN_SIGNING_KEY"],
        ALLOWED_HOSTS="ai.example.eu",
        PUBLIC_URL="https://ai.example.eu",
        SECURE_SSL_REDIRECT="true",
    )
    assert done.returncode == 0, done.stderr
