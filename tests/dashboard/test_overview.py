"""A member's first page: today's usage, keys and the way to the API."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, Organization, Role
from accounts.selectors import default_project_of
from accounts.services import issue_key, revoke_key
from billing.models import UsageHour
from tests.dashboard.conftest import Cast

OVERVIEW = "/o/reeder/"
SVG = re.compile(r"<svg viewBox.*?</svg>", re.DOTALL)


def midnight() -> datetime:
    """When today began, UTC."""
    return timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def use(organization: Organization, key: ApiKey, hour: datetime, model: str = "demo-chat", **sums: int) -> None:
    """An hour of usage."""
    UsageHour.objects.create(
        organization=organization,
        project=default_project_of(organization),
        api_key=key,
        hour=hour,
        model_id=model,
        endpoint="chat.completions",
        **sums,
    )


def rows_of(page: str) -> list[list[str]]:
    """The cells of the table of hours, its foot included."""
    table = page.partition("By hour, UTC")[2].partition("</table>")[0]
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)][
        1:
    ]


def test_usage_of_today_is_summed_by_hour_in_table_and_figures(cast: Cast) -> None:
    sums = {"requests": 2, "failed_requests": 1, "input_tokens": 1500, "output_tokens": 40, "cost_nano": 1_234_567}
    use(cast.organization, cast.api_key, midnight() + timedelta(hours=9), **sums)
    use(cast.organization, cast.api_key, midnight() + timedelta(hours=9), model="other", **sums)
    use(cast.organization, cast.api_key, midnight() + timedelta(hours=23), requests=1, cost_nano=2_000_000_000)
    page = cast.alice.get(OVERVIEW).content.decode()
    assert rows_of(page) == [
        ["09:00", "4", "2", "3,000", "80", "€0.002469"],
        ["23:00", "1", "0", "0", "0", "€2.000000"],
        ["Today", "5", "2", "3,000", "80", "€2.002469"],
    ]


def test_yesterday_tomorrow_and_other_organizations_are_not_todays_usage(cast: Cast) -> None:
    charlie = cast.elsewhere.memberships.get().user
    theirs = issue_key(actor=charlie, project=default_project_of(cast.elsewhere), name="theirs").api_key
    use(cast.organization, cast.api_key, midnight() - timedelta(hours=1), requests=7777)
    use(cast.organization, cast.api_key, midnight() + timedelta(hours=24), requests=7777)
    use(cast.elsewhere, theirs, midnight() + timedelta(hours=9), requests=7777)
    page = cast.alice.get(OVERVIEW).content.decode()
    assert "7,777" not in page
    assert "No request yet today." in page
    assert "<svg viewBox" not in page


def test_the_chart_draws_what_the_table_says_and_can_be_read_aloud(cast: Cast) -> None:
    use(
        cast.organization,
        cast.api_key,
        midnight() + timedelta(hours=3),
        requests=4,
        input_tokens=600,
        output_tokens=200,
    )
    use(cast.organization, cast.api_key, midnight() + timedelta(hours=5), requests=2, input_tokens=300)
    drawings = [ElementTree.fromstring(svg) for svg in SVG.findall(cast.alice.get(OVERVIEW).content.decode())]  # noqa: S314
    assert len(drawings) == 2
    for drawing in drawings:
        ids = {element.get("id") for element in drawing.iter()}
        assert drawing.get("role") == "img"
        assert set(drawing.get("aria-labelledby", "").split()) <= ids
        assert not [element for element in drawing.iter() if element.get("style")]
    tokens, requests = drawings
    assert tokens.findtext("desc") == "1,100 in all, most at 03:00 with 800. The table below has each number."
    hints = [group.findtext("title") for group in tokens.iter("g")]
    assert len(hints) == 24
    assert hints[3] == "03:00: 600 input, 200 output"
    bars = {name: [float(bar.get("height", 0)) for bar in tokens.iter("rect") if bar.get("class") == name] for name in
            ("chart-1", "chart-2")}  # fmt: skip
    assert bars["chart-1"][0] == pytest.approx(3 * bars["chart-2"][0], rel=0.01)
    assert bars["chart-1"][0] == pytest.approx(2 * bars["chart-1"][1], rel=0.01)
    heights = [float(bar.get("height", 0)) for bar in requests.iter("rect") if bar.get("class") == "chart-1"]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.01)


def test_requests_without_a_price_are_pointed_out(cast: Cast) -> None:
    use(cast.organization, cast.api_key, midnight(), requests=3, unrated_requests=2)
    assert "2 requests had no price yet" in cast.alice.get(OVERVIEW).content.decode()


def test_keys_that_work_are_listed_and_revoked_ones_are_not(cast: Cast) -> None:
    alice = cast.organization.memberships.get(role=Role.OWNER).user
    old = issue_key(actor=alice, project=default_project_of(cast.organization), name="old").api_key
    revoke_key(actor=alice, api_key=old)
    page = cast.alice.get(OVERVIEW).content.decode()
    assert f"sk-hanse-{cast.api_key.public_id}…" in page
    assert old.public_id not in page
    assert old.public_id in cast.alice.get("/o/reeder/keys/").content.decode()


def test_the_base_url_is_where_the_page_came_from_or_the_public_one(cast: Cast, settings) -> None:
    assert 'id="base-url">http://testserver/v1<' in cast.alice.get(OVERVIEW).content.decode()
    settings.PUBLIC_URL = "https://ai.hanse.example"
    assert "curl https://ai.hanse.example/v1/chat/completions" in cast.alice.get(OVERVIEW).content.decode()


def test_the_page_costs_the_same_number_of_queries_with_much_usage(cast: Cast, django_assert_max_num_queries) -> None:
    alice = cast.organization.memberships.get(role=Role.OWNER).user
    for hour in range(24):
        key = issue_key(actor=alice, project=default_project_of(cast.organization), name=f"key {hour}").api_key
        use(cast.organization, key, midnight() + timedelta(hours=hour), requests=1)
    with django_assert_max_num_queries(6):  # session, user, memberships, usage, models, keys
        page = cast.alice.get(OVERVIEW).content.decode()
    assert len(rows_of(page)) == 25
    assert reverse("keys", args=["reeder"]) in page


def test_images_and_documents_are_shown_where_there_are_any(cast: Cast) -> None:
    hour = midnight() + timedelta(hours=9)
    use(cast.organization, cast.api_key, hour, requests=1, input_tokens=10)
    plain = cast.alice.get(OVERVIEW).content.decode()
    assert "Images" not in plain
    assert "Documents" not in plain
    use(cast.organization, cast.api_key, hour, model="painter", requests=1, images=2)
    use(cast.organization, cast.api_key, hour, model="ranker", requests=1, documents=1500)
    page = cast.alice.get(OVERVIEW).content.decode()
    assert rows_of(page)[0] == ["09:00", "3", "0", "10", "0", "2", "1,500", "€0.000000"]
    assert "<dt>Images</dt><dd>2</dd>" in page
    assert "<dt>Documents ranked</dt><dd>1,500</dd>" in page
