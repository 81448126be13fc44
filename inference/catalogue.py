"""The catalogue as requests see it: an immutable snapshot of models, deployments and prices."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.utils import timezone
from msgspec import Struct

from accounts.announcements import CATALOGUE, listen
from accounts.principals import Principal
from billing.pricing import PriceBook, load_price_book
from inference.backend_secrets import BackendSecretUnreadable, unseal
from inference.deployment_reports import reporter
from inference.generation import Target
from inference.image_sizes import ImageSizes, ImageSizesError, parse_image_sizes
from inference.models import Deployment, FallbackModel, Lifecycle, ServedModel, Visibility
from inference.near_names import Fingerprint, fingerprint, nearest
from inference.parsers import REASONING, Channels, Markers
from inference.routing import router
from inference.snapshots import SnapshotCache
from inference.tensor_map import TensorMapError, parse_tensor_map
from inference.tokenization import AssetError, ModelAssets, load_assets
from inference.tool_formats import ToolFormat, tool_format

if TYPE_CHECKING:
    from datetime import date

log = structlog.get_logger(__name__)


class Offer(Struct, frozen=True):
    """A published model: what a request needs to know of it. Times in seconds, lengths in tokens."""

    model_id: str
    model_class: str
    description: str
    hugging_face_repository: str
    owned_by: str
    created: int
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    capabilities: frozenset[str]
    context_length: int
    max_output_tokens: int
    default_output_tokens: int
    embedding_dimensions: tuple[int, ...]
    image_sizes: ImageSizes
    lifecycle: str
    deprecated_on: "date | None"
    retires_on: "date | None"
    replacement: str | None
    aliases: tuple[str, ...]
    granted: frozenset[int] | None  # organizations; None: everybody
    assets: ModelAssets | None
    reasoning: Markers | Channels | None
    tools: ToolFormat | None
    targets: tuple[Target, ...]
    first_token_timeout: float
    idle_timeout: float
    total_timeout: float

    def visible_to(self, principal: Principal) -> bool:
        """Whether the principal's organization may know of the model."""
        return self.granted is None or principal.organization_id in self.granted

    def usable_by(self, principal: Principal) -> bool:
        """Whether this key may call the model."""
        return self.visible_to(principal) and principal.may_use(self.model_id, self.model_class)


class Catalogue(Struct, frozen=True, weakref=True):
    """All offers, by every name they answer to, and the prices."""

    offers: tuple[Offer, ...]
    by_name: dict[str, Offer]
    prices: PriceBook
    fingerprints: dict[str, Fingerprint]
    fallbacks: dict[int, str]  # organization to model

    def fallback(self, principal: Principal, capability: str) -> Offer | None:
        """What answers the organization's requests for models that do not exist, if this key may use it for them."""
        offer = self.by_name.get(self.fallbacks.get(principal.organization_id, ""))
        return offer if offer and capability in offer.capabilities and offer.usable_by(principal) else None

    def near_names(self, name: str, principal: Principal) -> list[str]:
        """Up to three names near to `name`, of models that this key may use."""
        return nearest(
            name,
            (
                (known, offer.model_id, self.fingerprints[known])
                for known, offer in self.by_name.items()
                if offer.usable_by(principal)
            ),
        )


_assets: dict[tuple[object, ...], ModelAssets] = {}


def assets_of_model(model: ServedModel) -> ModelAssets | None:
    """The model's tokenizer and template, read again only when a file changed. Raises `AssetError`."""
    if not model.assets:
        return None
    folder = Path(settings.MODEL_ASSETS_DIR) / model.assets
    stamps = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*") if file.is_file()))
    chats = "chat" in model.capabilities
    key = (str(folder), stamps, model.chat_template, model.fim_template, chats)
    if key not in _assets:
        _assets[key] = load_assets(folder, model.chat_template, fim_template=model.fim_template, chats=chats)
    return _assets[key]


def _forget_assets_without(offers: Iterable[Offer]) -> None:
    """Drops what no offer uses any more: a large tokenizer takes a hundred megabytes."""
    used = {id(offer.assets) for offer in offers}
    for key, assets in list(_assets.items()):
        if id(assets) not in used:
            _assets.pop(key, None)


def target_of(deployment: Deployment) -> Target:
    """The immutable copy of a deployment; raises `BackendSecretUnreadable` and `TensorMapError`."""
    headers = {deployment.secret_header: unseal(deployment.secret_value)} if deployment.secret_header else {}
    return Target(
        name=deployment.name,
        adapter=deployment.adapter,
        url=deployment.url.rstrip("/"),
        triton_model=deployment.triton_model,
        triton_version=deployment.triton_version,
        weight=deployment.weight,
        max_concurrency=deployment.max_concurrency,
        headers=headers,
        options=dict(deployment.options),
        tensor_map=parse_tensor_map(deployment.tensor_map)
        if deployment.adapter == Deployment.Adapter.TRITON_TENSORS
        else None,
    )


def _targets(model: ServedModel) -> Iterable[Target]:
    for deployment in model.deployments.all():
        if not deployment.enabled or not deployment.weight or deployment.draining_since:
            continue
        try:
            yield target_of(deployment)
        except BackendSecretUnreadable:
            log.error("backend_secret_unreadable", deployment=deployment.name)
        except TensorMapError:
            log.error("tensor_map_unreadable", deployment=deployment.name)


def _image_sizes(model: ServedModel) -> ImageSizes:
    try:
        return parse_image_sizes(model.image_sizes)
    except ImageSizesError:
        log.error("image_sizes_unreadable", model=model.model_id)
        return ImageSizes()


def _offer(model: ServedModel) -> Offer:
    try:
        assets = assets_of_model(model)
    except AssetError:
        # One model with broken files must not take the others with it; its own requests say that it is unavailable.
        log.exception("model_assets_unreadable", model=model.model_id)
        assets = None
    return Offer(
        model_id=model.model_id,
        model_class=model.model_class,
        description=model.description,
        hugging_face_repository=model.hugging_face_repository,
        owned_by=model.owned_by,
        created=int(model.created_at.timestamp()),
        input_modalities=tuple(model.input_modalities),
        output_modalities=tuple(model.output_modalities),
        capabilities=frozenset(model.capabilities),
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        default_output_tokens=model.default_output_tokens,
        embedding_dimensions=tuple(model.embedding_dimensions),
        image_sizes=_image_sizes(model),
        lifecycle=model.lifecycle,
        deprecated_on=model.deprecated_on,
        retires_on=model.retires_on,
        replacement=model.replacement.model_id if model.replacement else None,
        aliases=tuple(alias.alias for alias in model.aliases.all()),
        granted=frozenset(grant.organization_id for grant in model.grants.all())
        if model.visibility == Visibility.GRANTED
        else None,
        assets=assets,
        reasoning=REASONING.get(model.reasoning_parser),
        tools=tool_format(model.tool_parser),
        targets=tuple(_targets(model)),
        first_token_timeout=float(model.first_token_timeout),
        idle_timeout=float(model.idle_timeout),
        total_timeout=float(model.total_timeout),
    )


def load_catalogue() -> Catalogue:
    """Reads the published models, their deployments and the prices; a handful of queries whatever their number."""
    models = (
        ServedModel.objects.filter(published=True)
        .exclude(lifecycle=Lifecycle.RETIRED)
        .exclude(retires_on__lte=timezone.now().date())
        .select_related("replacement")
        .prefetch_related("aliases", "grants", "deployments")
    )
    offers = tuple(_offer(model) for model in models)
    _forget_assets_without(offers)
    by_name = {alias: offer for offer in offers for alias in offer.aliases}
    by_name.update({offer.model_id: offer for offer in offers})
    return Catalogue(
        offers=offers,
        by_name=by_name,
        prices=load_price_book(),
        fingerprints={name: fingerprint(name) for name in by_name},
        fallbacks=dict(FallbackModel.objects.values_list("organization_id", "model__model_id")),
    )


def _follow(snapshot: Catalogue) -> None:
    router.follow({offer.model_id: offer.targets for offer in snapshot.offers})
    reporter.wake()


catalogue = SnapshotCache(load_catalogue, settings.CATALOGUE_TTL_SECONDS, follow=_follow)
listen(CATALOGUE, catalogue.invalidate, catalogue.invalidate)
