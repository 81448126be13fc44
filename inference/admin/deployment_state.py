"""How deployments are at the moment, in words for the admin's pages."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince
from msgspec import Struct

from inference.deployment_reports import REPORT_SECONDS, Status
from inference.failures import Reason
from inference.models import Deployment

GOOD, BUSY, BAD, OFF = "good", "busy", "bad", "off"


class Words(Struct, frozen=True):
    """A deployment's state in a word, with what there is to add; `kind` chooses the colour."""

    kind: str
    word: str
    detail: str = ""


def state_in_words(deployment: Deployment, status: Status | None, *, asked: bool) -> Words:
    """What a deployment is doing. `status` is what the web processes say; `asked`: whether they could be asked."""
    under_way = status.under_way if status else 0
    if deployment.draining_since is not None:
        return _draining(deployment.draining_since, under_way, asked=asked)
    if not deployment.enabled:
        return Words(OFF, "disabled", requests(under_way) if under_way else "")
    if not deployment.weight:
        return Words(OFF, "weight 0", requests(under_way) if under_way else "gets no new requests")
    if not asked:
        return Words(OFF, "unknown", "Redis does not answer")
    if status is None:
        return Words(OFF, "not used yet")
    if status.failing_since is not None:
        where = "" if status.failing == status.processes else f", in {status.failing} of {status.processes} processes"
        return Words(BAD, "failing", f"since {moment(status.failing_since)}{where}")
    return Words(GOOD, "healthy") if status.last_answer_at else Words(OFF, "not used yet")


def _draining(since: datetime, under_way: int, *, asked: bool) -> Words:
    if not asked:
        return Words(BUSY, "draining", "Redis does not answer, so what is under way is unknown")
    if under_way:
        return Words(BUSY, "draining", f"{requests(under_way)} still under way")
    # Until then another process may not have heard of it, or not have told of a request.
    settled = timedelta(seconds=2 * settings.CATALOGUE_TTL_SECONDS + REPORT_SECONDS)
    if timezone.now() - since < settled:
        return Words(BUSY, "draining", "until every process has heard of it")
    return Words(OFF, "drained", f"empty; no new requests since {moment(since.timestamp())}")


def badge(words: Words) -> str:
    """The state as HTML."""
    return format_html(
        '<span class="hanse-state hanse-state-{}">{}</span> <span class="quiet">{}</span>',
        words.kind,
        words.word,
        words.detail,
    )


def reason_in_words(reason: str) -> str:
    """The reason of a failure as a clause."""
    return str(Reason(reason).label) if reason in Reason.values else "it does not answer"


def requests(count: int) -> str:
    """A number of requests."""
    return f"{count} request" if count == 1 else f"{count} requests"


def moment(unix: float) -> str:
    """A time of the last days: at which second, and today without the day."""
    when = datetime.fromtimestamp(unix, UTC)
    return f"{when:%H:%M:%S}" if when.date() == timezone.now().date() else f"{when:%-d %b %H:%M:%S}"


def ago(unix: float | None) -> str:
    """How long ago; a dash where it never was."""
    if unix is None:
        return "–"
    when = datetime.fromtimestamp(unix, UTC)
    if timezone.now() - when < timedelta(minutes=1):
        return "just now"
    return f"{timesince(when, depth=1)} ago"
