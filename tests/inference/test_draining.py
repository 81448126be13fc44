"""Deployments are drained and resumed by hand, and the admin's pages say how they are."""

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from inference.admin.deployment_state import state_in_words
from inference.catalogue import load_catalogue
from inference.deployment_reports import Report, Status
from inference.models import Deployment
from inference.services import add_deployment, drain_deployment, resume_deployment, save_deployment
from tests.inference.conftest import ACTOR


@pytest.fixture
def deployment(model) -> Deployment:
    return add_deployment(actor=ACTOR, name="one", model=model, url="http://127.0.0.1:1", triton_model="m")[0]


def offered() -> list[str]:
    return [target.name for target in load_catalogue().by_name["acme/small"].targets]


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_a_draining_deployment_is_not_offered_and_both_acts_are_on_record_once(deployment):
    assert offered() == ["one"]
    assert drain_deployment(actor=ACTOR, deployment=deployment)
    assert deployment.draining_since is not None
    assert not drain_deployment(actor=ACTOR, deployment=Deployment.objects.get())
    assert offered() == []
    assert resume_deployment(actor=ACTOR, deployment=deployment)
    assert not resume_deployment(actor=ACTOR, deployment=deployment)
    assert offered() == ["one"]
    assert actions()[-2:] == ["deployment.drained", "deployment.resumed"]


def test_saving_what_was_read_before_does_not_resume_it(deployment):
    drain_deployment(actor=ACTOR, deployment=Deployment.objects.get())
    deployment.weight = 5
    save_deployment(actor=ACTOR, deployment=deployment)
    found = Deployment.objects.get()
    assert (found.weight, found.draining_since is None) == (5, False)


def test_an_operator_drains_and_resumes_on_the_page_and_in_the_list(operating, deployment):
    page = reverse("admin:inference_deployment_change", args=[deployment.pk])
    assert reverse("admin:inference_deployment_drain", args=[deployment.pk]) in operating.get(page).text

    def press(button: str) -> list[str]:
        url = reverse(f"admin:inference_deployment_{button}", args=[deployment.pk])
        assert operating.get(url).status_code == 405
        answer = operating.post(url, follow=True)
        assert answer.redirect_chain == [(page, 302)]
        return [str(message) for message in answer.context["messages"]]

    assert press("drain") == ["Deployment one gets no new requests; those under way finish."]
    assert "draining" in operating.get(page).text
    assert press("drain") == ["Deployment one is draining already."]
    assert press("resume") == ["Deployment one gets requests again."]
    assert press("resume") == ["Deployment one was not draining."]
    rows = reverse("admin:inference_deployment_changelist")
    operating.post(rows, {"action": "drain", "_selected_action": [deployment.pk]})
    assert Deployment.objects.get().draining_since is not None
    counts = {choice: operating.get(rows, {"draining": choice}).context["cl"].result_count for choice in ("yes", "no")}
    assert counts == {"yes": 1, "no": 0}
    operating.post(rows, {"action": "resume", "_selected_action": [deployment.pk]})
    assert Deployment.objects.get().draining_since is None
    assert AuditEvent.objects.latest("id").actor_label == "operator@hanse.example"


def test_nobody_else_drains(deployment):
    browser = Client()
    for button in ("drain", "resume", "now"):
        url = reverse(f"admin:inference_deployment_{button}", args=[deployment.pk])
        assert "/login/" in browser.post(url).headers["location"]
    assert Deployment.objects.get().draining_since is None


def test_the_pages_work_while_redis_does_not(operating, deployment, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert "Redis does not answer" in operating.get(reverse("admin:inference_deployment_changelist")).text
    page = operating.get(reverse("admin:inference_deployment_change", args=[deployment.pk]))
    assert "Redis does not answer" in page.text


def test_the_state_alone_is_there_for_the_page_to_renew(operating, deployment):
    answer = operating.get(reverse("admin:inference_deployment_now", args=[deployment.pk]))
    assert 'data-field="state"' in answer.text
    assert "no-store" in answer.headers["cache-control"]


def report(**fields) -> Report:
    empty = dict.fromkeys(("failing_since", "last_failure_at", "last_answer_at"))
    return Report(**{"name": "one", "under_way": 0, "reason": "", **empty, **fields})


def status(*reports: Report) -> Status:
    found = Status()
    for each in reports:
        found.add(each)
    return found


def test_what_several_processes_say_adds_up():
    found = status(
        report(under_way=3, last_answer_at=10.0, failing_since=30.0, last_failure_at=35.0, reason="timeout"),
        report(under_way=4, last_answer_at=20.0, failing_since=25.0, last_failure_at=26.0, reason="unreachable"),
        report(last_answer_at=15.0),
    )
    assert (found.under_way, found.failing, found.processes) == (7, 2, 3)
    assert (found.failing_since, found.last_answer_at, found.last_failure_at, found.reason) == (25, 20, 35, "timeout")


def test_the_state_is_said_in_words():
    now = time.time()
    row = Deployment(name="one")
    healthy = status(report(last_answer_at=now))
    failing = status(report(failing_since=now, last_failure_at=now, reason="unreachable"), report(last_answer_at=now))

    def said(status: Status | None, *, asked: bool = True, **fields) -> str:
        words = state_in_words(Deployment(**{"name": "one", **fields}), status, asked=asked)
        return f"{words.word}: {words.detail}"

    assert state_in_words(row, healthy, asked=True).word == "healthy"
    assert said(None) == "not used yet: "
    assert said(None, asked=False).startswith("unknown: Redis")
    assert said(failing).startswith("failing: since ")
    assert said(failing).endswith(", in 1 of 2 processes")
    assert said(healthy, enabled=False) == "disabled: "
    assert said(status(report(under_way=1)), weight=0) == "weight 0: 1 request"
    just_now, before = timezone.now(), timezone.now() - timedelta(minutes=1)
    assert said(status(report(under_way=2)), draining_since=before) == "draining: 2 requests still under way"
    assert said(healthy, draining_since=just_now) == "draining: until every process has heard of it"
    assert said(healthy, draining_since=before).startswith("drained: empty; no new requests since ")
    assert said(None, draining_since=before).startswith("drained: ")
    assert said(None, draining_since=before, asked=False).startswith("draining: Redis")
