"""Setting prices: new versions only, so that what was charged stays explained."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.announcements import CATALOGUE, announce
from accounts.audit import Actor, record_event
from accounts.models import Organization
from billing.errors import PriceError
from billing.models import PriceInEffectError, PriceVersion
from billing.pricing import price_of

KINDS = ("input_nano", "cached_input_nano", "output_nano", "reasoning_nano", "image_nano", "document_nano")
IN_EFFECT = "This price is in effect. Set a new one, which supersedes it."


def set_price(
    *,
    input_nano: int,
    output_nano: int,
    cached_input_nano: int | None = None,
    reasoning_nano: int | None = None,
    image_nano: int | None = None,
    document_nano: int | None = None,
    model_id: str = "",
    model_class: str = "",
    organization: Organization | None = None,
    effective_from: datetime | None = None,
    replaces: PriceVersion | None = None,
    actor: Actor = "system",
) -> tuple[PriceVersion, bool]:
    """Sets what a million tokens, an image and a document cost (nano-euro) for a model or a class.

    For all or for one organization, from `effective_from` (default: now) on. An image or a document that is None has no
    price: what has any stays unrated, and a model that makes or ranks any is not published. Returns the version and
    whether it is new: when the one in effect at that moment says the same, it stands. A version that is not yet in
    effect gives way to one for the same moment, and so does `replaces`. Raises `PriceError` for a moment in the past,
    for a negative or absurd price, when both or neither of model and class are named, and when `replaces` is in effect.
    """
    now = timezone.now()
    begin = effective_from or now
    if begin < now:
        raise PriceError("A price cannot begin in the past: what was used then is charged already.")
    version = PriceVersion(
        organization=organization,
        model_id=model_id,
        model_class=model_class,
        effective_from=begin,
        input_nano=input_nano,
        cached_input_nano=cached_input_nano,
        output_nano=output_nano,
        reasoning_nano=reasoning_nano,
        image_nano=image_nano,
        document_nano=document_nano,
    )
    try:
        version.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise PriceError(" ".join(error.messages)) from error
    same_target = PriceVersion.objects.filter(organization=organization, model_id=model_id, model_class=model_class)
    try:
        with transaction.atomic():
            if replaces is not None:
                replaces.delete()
            current = same_target.filter(effective_from__lte=begin).order_by("-effective_from").first()
            if current is not None and _amounts(current) == _amounts(version):
                return current, False
            if current is not None and current.effective_from == begin:
                current.delete()
            version.save(force_insert=True)
            detail = {"effective_from": begin.isoformat(), **dict(zip(KINDS, _amounts(version), strict=True))}
            record_event(actor=actor, organization=organization, action="price.set", target=version, detail=detail)
            announce(CATALOGUE)
    except PriceInEffectError as error:
        raise PriceError(IN_EFFECT) from error
    except IntegrityError as error:
        raise PriceError("Somebody else set this price at the same moment.") from error
    return version, True


@transaction.atomic
def withdraw_price(*, version: PriceVersion, actor: Actor = "system") -> None:
    """Takes a version back before it begins. Raises `PriceError` once it is in effect."""
    detail = {"effective_from": version.effective_from.isoformat(), "version": str(version)}
    record_event(
        actor=actor, organization=version.organization, action="price.withdrawn", target=version, detail=detail
    )
    try:
        version.delete()
    except PriceInEffectError as error:
        raise PriceError(IN_EFFECT) from error
    announce(CATALOGUE)


def _amounts(version: PriceVersion) -> tuple[int | None, ...]:
    price = price_of(version)
    return tuple(getattr(price, kind) for kind in KINDS)
