"""Writes to the catalogue, each with its audit event, and announced to every process."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.announcements import CATALOGUE, announce
from accounts.audit import record_event
from accounts.models import Organization, User
from billing.pricing import is_priced
from inference.backend_secrets import seal
from inference.catalogue import assets_of_model
from inference.deployment_check import fit_tensor_map
from inference.fim_template import FimTemplateError
from inference.models import Deployment, FallbackModel, ModelAlias, ModelGrant, ServedModel
from inference.models.catalogue import TEXT_CAPABILITIES
from inference.tokenization import AssetError

# What else than tokens is paid for, by capability.
ITEMS = {"images": "images", "image_edits": "images", "rerank": "documents"}


def check_publishable(model: ServedModel) -> None:
    """Raises `ValidationError` where a published model could be used for nothing, or could not be used at all."""
    if not model.published:
        return
    if not is_priced(model.model_id, model.model_class):
        raise ValidationError(
            {"published": "No list price covers this model or its class yet; a model without a price is not offered."}
        )
    _check_items_priced(model)
    if not model.assets:
        if TEXT_CAPABILITIES.isdisjoint(model.capabilities):
            return
        raise ValidationError({"assets": "A model that writes text needs its tokenizer, and for chat a template."})
    try:
        assets_of_model(model)
    except FimTemplateError as error:
        raise ValidationError({"fim_template": str(error)}) from None
    except AssetError as error:
        raise ValidationError({"chat_template" if model.chat_template else "assets": str(error)}) from None


def _check_items_priced(model: ServedModel) -> None:
    """Raises `ValidationError` for a model that makes or ranks what its list price does not cover."""
    for capability, item in ITEMS.items():
        if capability in model.capabilities and not is_priced(model.model_id, model.model_class, **{item: True}):
            text = f"The list price of this model or its class has none for {item}; {capability} needs one."
            raise ValidationError({"published": text})


def save_model(*, actor: User | str, model: ServedModel, aliases: Iterable[str] | None = None) -> ServedModel:
    """Validates and saves a model; `aliases` (None: as they are) replaces its other names. Raises `ValidationError`."""
    with transaction.atomic():
        created = model.pk is None
        model.full_clean()
        check_publishable(model)
        model.save()
        if aliases is not None:
            _replace_aliases(model, list(aliases))
        note_model_change(actor=actor, model=model, created=created)
    return model


def note_model_change(*, actor: User | str, model: ServedModel, created: bool, detail: Any = None) -> None:
    """Records that a model was saved, and lets requests see it."""
    record_event(
        actor=actor,
        organization=None,
        action="model.created" if created else "model.changed",
        target=model,
        detail={"published": model.published, "lifecycle": model.lifecycle, **(detail or {})},
    )
    announce(CATALOGUE)


def _assign(row: ServedModel | Deployment, values: dict[str, Any]) -> bool:
    """Sets the fields; whether any of them was different."""
    changed = False
    for name, value in values.items():
        # A new row's foreign key raises an AttributeError.
        if getattr(row, name, None) != value:
            setattr(row, name, value)
            changed = True
    return changed


def _replace_aliases(model: ServedModel, wanted: list[str]) -> None:
    model.aliases.exclude(alias__in=wanted).delete()
    for alias in wanted:
        if not model.aliases.filter(alias=alias).exists():
            row = ModelAlias(model=model, alias=alias)
            row.full_clean()
            row.save()


def publish_model(
    *, actor: User | str, model_id: str, aliases: Iterable[str] | None = None, **fields: Any
) -> tuple[ServedModel, bool]:
    """Creates or changes the model `model_id` and offers it to customers; returns it and whether it is new.

    `fields` are those of `ServedModel`; `published=False` prepares it. Raises `ValidationError`, also where no price
    covers the model.
    """
    model = ServedModel.objects.filter(model_id=model_id).first()
    created = model is None
    model = model or ServedModel(model_id=model_id)
    changed = _assign(model, {"published": True, **fields})
    if not created and aliases is not None:
        changed = changed or set(aliases) != set(model.aliases.values_list("alias", flat=True))
    if changed or created:
        save_model(actor=actor, model=model, aliases=aliases)
    return model, created


def grant_model(*, actor: User | str, model: ServedModel, organization: Organization) -> bool:
    """Lets an organization use a model that is not public; False if it could already."""
    with transaction.atomic():
        _, created = ModelGrant.objects.get_or_create(model=model, organization=organization)
        if created:
            record_event(actor=actor, organization=organization, action="model.granted", target=model, detail={})
            announce(CATALOGUE)
    return created


def save_fallback_model(*, actor: User | str, fallback: FallbackModel) -> FallbackModel:
    """Has a model answer an organization's requests for models that do not exist. Raises `ValidationError`."""
    with transaction.atomic():
        fallback.full_clean()
        fallback.save()
        _note_fallback(actor, fallback, "organization.fallback_model_set")
    return fallback


def remove_fallback_model(*, actor: User | str, fallback: FallbackModel) -> None:
    """Has such requests refused again."""
    with transaction.atomic():
        _note_fallback(actor, fallback, "organization.fallback_model_removed")
        fallback.delete()


def _note_fallback(actor: User | str, fallback: FallbackModel, action: str) -> None:
    organization, model = fallback.organization, fallback.model.model_id
    record_event(actor=actor, organization=organization, action=action, target=organization, detail={"model": model})
    announce(CATALOGUE)


_SAVED = [
    field.name for field in Deployment._meta.concrete_fields if not field.primary_key and field.name != "draining_since"
]


def save_deployment(
    *, actor: User | str, deployment: Deployment, secret: str | None = None, ask_engine: bool = True
) -> Deployment:
    """Validates and saves a deployment. `secret` is the value of its header; None leaves the old one.

    A tensor map is held against what Triton says of the model where it answers, unless `ask_engine` is false. Raises
    `ValidationError`.
    """
    if secret is not None:
        deployment.secret_value = seal(secret)
    deployment.full_clean()
    if ask_engine and deployment.adapter == Deployment.Adapter.TRITON_TENSORS:
        fit_tensor_map(deployment)
    with transaction.atomic():
        created = deployment.pk is None
        # What was read before it was drained shall not resume it.
        deployment.save(update_fields=None if created else _SAVED)
        record_event(
            actor=actor,
            organization=None,
            action="deployment.created" if created else "deployment.changed",
            target=deployment,
            detail={"model": deployment.model.model_id, "enabled": deployment.enabled, "weight": deployment.weight},
        )
        announce(CATALOGUE)
    return deployment


def add_deployment(
    *,
    actor: User | str,
    name: str,
    model: ServedModel,
    url: str,
    triton_model: str,
    secret: str | None = None,
    **fields: Any,
) -> tuple[Deployment, bool]:
    """Creates or changes the deployment `name`; returns it and whether it is new. Raises `ValidationError`."""
    deployment = Deployment.objects.filter(name=name).first()
    created = deployment is None
    deployment = deployment or Deployment(name=name)
    stored = deployment.tensor_map.get("max_batch")
    if stored and "tensor_map" in fields:
        # What Triton said when the map was saved without it.
        fields["tensor_map"] = {"max_batch": stored, **fields["tensor_map"]}
    changed = _assign(deployment, {"model": model, "url": url, "triton_model": triton_model, **fields})
    if changed or created or secret is not None:
        save_deployment(actor=actor, deployment=deployment, secret=secret)
    return deployment, created


def drain_deployment(*, actor: User | str, deployment: Deployment) -> bool:
    """No new requests for a deployment from now on; those under way finish. False where it is draining already."""
    return _set_draining(actor, deployment, since=timezone.now(), action="deployment.drained")


def resume_deployment(*, actor: User | str, deployment: Deployment) -> bool:
    """New requests for a drained deployment again. False where it was not draining."""
    return _set_draining(actor, deployment, since=None, action="deployment.resumed")


def _set_draining(actor: User | str, deployment: Deployment, *, since: datetime | None, action: str) -> bool:
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk, draining_since__isnull=since is not None)
        if not rows.update(draining_since=since):
            return False
        deployment.draining_since = since
        record_event(
            actor=actor,
            organization=None,
            action=action,
            target=deployment,
            detail={"model": deployment.model.model_id},
        )
        announce(CATALOGUE)
    return True


def delete_deployment(*, actor: User | str, deployment: Deployment) -> None:
    """Takes a deployment away."""
    with transaction.atomic():
        record_event(
            actor=actor,
            organization=None,
            action="deployment.deleted",
            target=deployment,
            detail={"model": deployment.model.model_id},
        )
        deployment.delete()
        announce(CATALOGUE)


def delete_model(*, actor: User | str, model: ServedModel) -> None:
    """Takes a model with its deployments out of the catalogue; its usage stays."""
    with transaction.atomic():
        record_event(actor=actor, organization=None, action="model.deleted", target=model, detail={})
        model.delete()
        announce(CATALOGUE)
