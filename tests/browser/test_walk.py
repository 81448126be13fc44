"""An operator's first customer, from the sign-in page to the customer's first bill line, by hand in a browser."""

import re
import secrets

import openai
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.people import Visitor
from tests.stack import Server, Stack

pytestmark = [pytest.mark.browser, pytest.mark.live]

PASSWORD = secrets.token_urlsafe(16)


def save(page: Page) -> None:
    """Presses Save and expects the list with its green line."""
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.locator(".messagelist .success")).to_be_visible()


def choose(page: Page, field: str, text: str) -> None:
    """Picks the row with `text` in an autocomplete field."""
    page.locator(f".field-{field} .select2-selection").last.click()
    page.locator(".select2-search__field").fill(text)
    page.locator(".select2-results__option", has_text=text).first.click()


def add_person(page: Page, email: str) -> None:
    """A user who can sign in."""
    page.goto("/admin/accounts/user/add/")
    page.locator("#id_email").fill(email)
    page.locator("#id_password1").fill(PASSWORD)
    page.locator("#id_password2").fill(PASSWORD)
    save(page)


def create_organization(page: Page, name: str, owner: str) -> str:
    """The slug of a new organization with an owner."""
    page.goto("/admin/accounts/organization/add/")
    page.locator("#id_name").press_sequentially(name)
    slug = page.locator("#id_slug").input_value()
    page.get_by_text("Add another New member").click()
    choose(page, "user", owner)
    page.locator("#id_memberships-0-role").select_option("owner")
    save(page)
    return slug


def set_price(page: Page, model: str) -> None:
    """0.65 EUR for a million input tokens, 1.95 for output."""
    page.goto("/admin/billing/priceversion/add/")
    page.locator("#id_model_id").fill(model)
    page.locator("#id_input_eur").fill("0.65")
    page.locator("#id_output_eur").fill("1.95")
    save(page)


def publish_model(page: Page, model: str) -> None:
    """A model of the demo's files."""
    page.goto("/admin/inference/servedmodel/add/")
    page.locator("#id_model_id").fill(model)
    page.locator("#id_published").check()
    for field, tokens in (("context_length", "4096"), ("max_output_tokens", "1024"), ("default_output_tokens", "64")):
        page.locator(f"#id_{field}").fill(tokens)
    page.locator("#id_assets").fill("demo-chat")
    save(page)


def deploy(page: Page, model: str, triton_url: str) -> None:
    """The engine behind it."""
    page.goto("/admin/inference/deployment/add/")
    page.locator("#id_name").fill(f"{model}-1")
    choose(page, "model", model)
    page.locator("#id_url").fill(triton_url)
    page.locator("#id_triton_model").fill("demo-chat")
    save(page)
    page.locator("tr", has_text=f"{model}-1").locator("input.action-select").check()
    page.get_by_label("Action:").select_option(label="Check against the engine")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist .success")).to_contain_text(f"{model}-1 fits.", ignore_case=True)


def issue_key(page: Page, organization: str) -> str:
    """The text of a key that the operator copies with the button."""
    page.goto("/admin/accounts/apikey/add/")
    choose(page, "project", organization)
    page.locator("#id_name").fill("first program")
    page.get_by_role("button", name="Save", exact=True).first.click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#new-key").inner_text()
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("body")).not_to_contain_text(copied)
    # The browser kept no copy: going back would mean to send the form again.
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        page.go_back()
    return copied


def test_an_operator_brings_a_customer_from_nothing_to_a_billed_answer(
    browser: Browser, operator: Page, uvicorn: Server, stack: Stack
) -> None:
    operator.context.grant_permissions(["clipboard-read", "clipboard-write"])
    mark = secrets.token_hex(3)
    name, email, model = f"Walfang {mark}", f"owner-{mark}@walfang.example", f"walk-{mark}"
    add_person(operator, email)
    slug = create_organization(operator, name, email)
    assert slug == f"walfang-{mark}"
    set_price(operator, model)
    publish_model(operator, model)
    deploy(operator, model, stack.triton_url)
    key = issue_key(operator, name)

    with openai.OpenAI(base_url=uvicorn.v1, api_key=key, max_retries=3, timeout=60) as sdk:
        answer = sdk.chat.completions.create(model=model, messages=[{"role": "user", "content": "What is a cog?"}])
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    nano = answer.usage.prompt_tokens * 650 + answer.usage.completion_tokens * 1950

    operator.goto(f"/admin/billing/usagerecord/?q={answer.id.removeprefix('chatcmpl-')}")
    row = operator.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(name)
    expect(row).to_contain_text(model)
    expect(row).to_contain_text(str(answer.usage.completion_tokens))

    stack.manage("shell", "--command", "from billing.services import roll_up_usage; roll_up_usage()")
    visitor = Visitor(browser, uvicorn.url, (email, PASSWORD))
    page = visitor.open("/")
    expect(page).to_have_url(re.compile(f"/o/{slug}/$"))
    foot = page.locator("tfoot tr")
    expect(foot).to_contain_text(f"{answer.usage.prompt_tokens:,}")
    expect(foot).to_contain_text(f"€{nano / 1e9:.6f}")
    expect(page.get_by_role("img", name=re.compile("Tokens by hour"))).to_be_visible()
    expect(page.locator(".chart-2")).to_have_count(1)
    visitor.leave()
    assert visitor.complaints == []
