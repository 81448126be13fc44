"""Every setting of Hanse, read from top to bottom. `docs/configuration.md` explains the environment."""

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from config.core_dumps import forbid_core_dumps
from config.env import BASE_DIR, database, env, secrets_of
from config.logs import logging_config

# Before anything else: every process of ours reads this file first.
forbid_core_dumps()

# -- which installation this is -------------------------------------------------------------------------------
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
DATABASE_URL: str = env.str("DATABASE_URL", default="")
REDIS_URL: str = env.str("REDIS_URL", default="")
EMBEDDED = not DATABASE_URL
DEBUG: bool = env.bool("DEBUG", default=False)

SECRET_KEY, API_KEY_PEPPER, TOKEN_SIGNING_KEY = secrets_of(
    ("SECRET_KEY", "API_KEY_PEPPER", "TOKEN_SIGNING_KEY"), VAR_DIR, embedded=EMBEDDED
)
TOKEN_SIGNING_KEY_FALLBACKS: list[str] = env.list("TOKEN_SIGNING_KEY_FALLBACKS", default=[])
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
API_KEY_PREFIX: str = env.str("API_KEY_PREFIX", default="sk-hanse-")

ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if EMBEDDED else [])
PUBLIC_URL: str = env.str("PUBLIC_URL", default="").rstrip("/")
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])

# -- applications ---------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "config.apps.HanseAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "csp",
    "accounts",
    "billing",
    "inference",
]
MIDDLEWARE = [
    # Before anything that asks whether the request came by https.
    "config.proxies.forwarded_proto_middleware",
    # Early: a load balancer's probe names no host that we know, and wants neither session nor redirect.
    "config.health.health_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.unheard.unheard_change_middleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# -- storage and shared state ---------------------------------------------------------------------------------
DATABASES: dict[str, Any] = {
    "default": database(DATABASE_URL, VAR_DIR, pool_size=env.int("DATABASE_POOL_SIZE", default=10))
}
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# -- language, time, files ------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the apps' own folders: no collectstatic between a clone and a page.
WHITENOISE_USE_FINDERS = True

# -- browser security -----------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
HTTPS = PUBLIC_URL.startswith("https://")
# Over http only where that was said, or where nothing was and the embedded default serves this machine.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not (PUBLIC_URL.startswith("http://") or (EMBEDDED and not PUBLIC_URL))
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT: bool = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_HSTS_SECONDS: int = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Django believes it whoever sends it; config.proxies takes it off what does not come from a trusted proxy.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# -- the API --------------------------------------------------------------------------------------------------
MAX_BODY_BYTES: int = env.int("MAX_BODY_BYTES", default=20 * 1024 * 1024)
IMAGE_MAX_BYTES: int = env.int("IMAGE_MAX_BYTES", default=20 * 1024 * 1024)
IMAGE_MAX_PIXELS: int = env.int("IMAGE_MAX_PIXELS", default=36_000_000)
IMAGES_PER_REQUEST: int = env.int("IMAGES_PER_REQUEST", default=16)
REMOTE_IMAGES: bool = env.bool("REMOTE_IMAGES", default=False)
REMOTE_IMAGE_SECONDS: float = env.float("REMOTE_IMAGE_SECONDS", default=10.0)
EMBEDDING_TOKENS_PER_REQUEST: int = env.int("EMBEDDING_TOKENS_PER_REQUEST", default=300_000)
RERANK_DOCUMENTS: int = env.int("RERANK_DOCUMENTS", default=1000)
MODEL_ASSETS_DIR = Path(env.str("MODEL_ASSETS_DIR", default=str(BASE_DIR / "demo" / "assets")))
STREAM_KEEPALIVE_SECONDS: float = env.float("STREAM_KEEPALIVE_SECONDS", default=15.0)
DRAIN_SECONDS: float = env.float("DRAIN_SECONDS", default=30.0)
DRAIN_LISTEN_SECONDS: float = env.float("DRAIN_LISTEN_SECONDS", default=2.0)
CLIENT_REQUEST_SECONDS: float = env.float("CLIENT_REQUEST_SECONDS", default=60.0)
CLIENT_STALL_SECONDS: float = env.float("CLIENT_STALL_SECONDS", default=120.0)
CLIENT_IDLE_SECONDS: int = env.int("CLIENT_IDLE_SECONDS", default=75)
PRINCIPAL_TTL_SECONDS: float = env.float("PRINCIPAL_TTL_SECONDS", default=30.0)
CATALOGUE_TTL_SECONDS: float = env.float("CATALOGUE_TTL_SECONDS", default=2.0)
DEPLOYMENT_WAIT_SECONDS: float = env.float("DEPLOYMENT_WAIT_SECONDS", default=5.0)
TOKEN_MAX_SECONDS: int = env.int("TOKEN_MAX_SECONDS", default=3600)
TOKEN_ISSUER: str = env.str("TOKEN_ISSUER", default=PUBLIC_URL or "hanse")
KEY_ROTATION_OVERLAP_HOURS: int = env.int("KEY_ROTATION_OVERLAP_HOURS", default=24)
REST_FRAMEWORK: dict[str, Any] = {"UNAUTHENTICATED_USER": None, "UNAUTHENTICATED_TOKEN": None}
# The published document of the API (`inference.api.openapi`).
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Hanse",
    "DESCRIPTION": "AI models behind an OpenAI-compatible API. No prompt, answer, image or embedding is ever stored.",
    "VERSION": "v1",
    "OAS_VERSION": "3.1.0",
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": [],
}

# -- tasks ----------------------------------------------------------------------------------------------------
CELERY_BROKER_DIR = VAR_DIR / "celery"
CELERY_TIMEZONE = "UTC"
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
else:
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(CELERY_BROKER_DIR / "queue"),
        "data_folder_out": str(CELERY_BROKER_DIR / "queue"),
        "control_folder": str(CELERY_BROKER_DIR / "control"),
    }
    for folder in ("queue", "control"):
        (CELERY_BROKER_DIR / folder).mkdir(parents=True, exist_ok=True)
CELERY_BEAT_SCHEDULE = {
    "roll-up-usage": {"task": "billing.tasks.roll_up_usage", "schedule": 60.0, "options": {"expires": 60}},
    "close-interrupted-requests": {
        "task": "billing.tasks.close_interrupted_requests",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "ensure-partitions": {"task": "billing.tasks.ensure_partitions", "schedule": 3600.0, "options": {"expires": 3600}},
}

# -- logs -----------------------------------------------------------------------------------------------------
LOG_FORMAT: str = env.str("LOG_FORMAT", default="json")
LOGGING = logging_config(level=env.str("LOG_LEVEL", default="INFO"), log_format=LOG_FORMAT)
