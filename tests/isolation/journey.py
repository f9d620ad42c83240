"""A month of one tenant, from directory to sealed statements, in steps that can be interleaved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.accounts.domain.keys import KeyKind
from apps.allocation import services as allocation
from apps.allocation.domain.payload import read_rule
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.budgets import services as budgets
from apps.budgets.domain.budgets import BudgetDraft, Threshold
from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.policies import PolicyDraft, Rules
from apps.budgets.domain.windows import Window
from apps.chargeback import selectors as statements
from apps.chargeback import services as chargeback
from apps.chargeback.domain.acceptance import Decision, DisputeDraft, Outcome, Policy, Upload
from apps.chargeback.domain.facts import Terms
from apps.chargeback.domain.focus_columns import Dataset
from apps.chargeback.domain.journal import AccountOf, MappingKind
from apps.chargeback.domain.journal_layout import parse_layout
from apps.closing import selectors as closes
from apps.closing import services as closing
from apps.closing.domain.policy import Policy as ClosePolicy
from apps.closing.domain.policy import Schedule
from apps.core.domain.access import Actor, Role, Scope
from apps.costs import services as costs
from apps.costs.domain.accounts import AccountDraft, Feed, Truth
from apps.directory import services as directory
from apps.directory.domain.entries import CostCenterFacts, FeatureFacts, ProductFacts
from apps.documents.domain.uploads import Upload as PlainUpload
from apps.experiments import selectors as experiment_questions
from apps.experiments import services as experiments
from apps.experiments.domain.bands import Counts
from apps.experiments.domain.proposals import ModelPlan, Proposal
from apps.experiments.domain.states import Verdict
from apps.experiments.services.links import link_for
from apps.ingest import services as ingest
from apps.ingest.services import backfill_close, backfills
from apps.notifications import services as notifications
from apps.notifications.domain.channels import ChannelDraft
from apps.notifications.domain.channels import Kind as ChannelKind
from apps.notifications.domain.topics import Cadence, Medium, Topic
from apps.periods import services as periods
from apps.periods.domain.fx import RateKind
from apps.rating import services as rating
from apps.rating.domain.cost_models import CostModelDraft
from apps.rating.domain.terms import CommitmentDraft, DiscountDraft, LevelDraft
from apps.rating.domain.terms import Scope as TermScope
from apps.tenants import selectors as tenants
from apps.usage.domain.decode import Form, decode_events
from tests.allocation.base import ACTOR, MONTH, NOW, enter_directory
from tests.costs.conftest import focus, row
from tests.ingest.factories import contract, event, send
from tests.ingest.spans import span


def month(marker: str) -> Iterator[str]:
    """Live through January 2026 in the current schema, yielding the name of each step done.

    Everything written carries the marker, so that a row in a wrong place can be told.
    """
    people = _people(marker)
    yield "people"
    key = _key(marker)
    yield "key"
    _directory(marker)
    yield "directory"
    _rates()
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    yield "prices"
    yield from _used(marker, key)
    yield from _other_doors(marker, key)
    yield from _corrected(marker, key)
    yield from _put_right(marker, key, people["prepares"])
    yield from _negotiate(marker, people["prepares"])
    yield from _billed(marker, people["prepares"])
    yield from _allocated(marker, people["approves"])
    yield from _told(marker)
    yield from _experiment(marker, people)
    yield from _budgeted(marker)
    yield from _closed(marker, people)


def _people(marker: str) -> dict[str, Actor]:
    """Invite who prepares and who approves."""
    people = {}
    for name, role in (("prepares", Role.FINANCE), ("approves", Role.APPROVER)):
        email = f"{name}@{marker}.example"
        account_services.invite(
            actor=ACTOR, email=email, name=marker, role=role, teams=(marker,), now=NOW
        )
        people[name] = accounts.actor_of_person(email)
    return people


def _key(marker: str) -> Actor:
    """Issue the key of a service that sends and corrects usage."""
    request = account_services.KeyRequest(
        KeyKind.SERVICE, marker, frozenset({Scope.USAGE_WRITE, Scope.USAGE_CORRECT})
    )
    issued = account_services.issue_key(actor=ACTOR, request=request, now=NOW)
    return accounts.actor_for_bearer(token=issued.text, now=NOW)


def _used(marker: str, key: Actor) -> Iterator[str]:
    """Send usage of two teams in three batches."""
    for batch in range(3):
        events = [
            event(
                f"{marker}-{batch}-{number}",
                account=marker,
                tags={"team": ("ads", "search")[number % 2], "feature": marker},
                end_user=marker,
                outcome={"name": "answered", "success": True},
            )
            for number in range(20)
        ]
        assert send(events, actor=key, received_at=NOW).accepted == 20
        yield f"events {batch}"


def _corrected(marker: str, key: Actor) -> Iterator[str]:
    """Void an event and amend another."""
    ingest.void_event(source="gateway", event_id=f"{marker}-0-0", reason=marker, actor=key, now=NOW)
    amended = event(f"{marker}-0-1", account=marker, tags={"team": "search"})
    ingest.amend_event(
        source="gateway",
        event_id=f"{marker}-0-1",
        event=amended,
        reason=marker,
        actor=key,
        now=NOW,
    )
    yield "corrections"


def _billed(marker: str, finance: Actor) -> Iterator[str]:
    """Import the bill of a provider account."""
    costs.declare_account(draft=AccountDraft(code="cloud", name=marker), actor=finance, now=NOW)
    bill = focus(row("60.00", tags='{"team": "ads"}', sub_account=marker), row("40.00"))
    costs.import_focus(file=bill, provider_account="cloud", actor=finance, now=NOW)
    yield "bill"


def _allocated(marker: str, approver: Actor) -> Iterator[str]:
    """Set a rule and a driver, adjust by two people, and keep an answer to a key."""
    rule = {
        "code": "shared",
        "name": marker,
        "method": "even",
        "scope": {"service": "SageMaker"},
        "receivers": ["ads", "search"],
        "first_month": str(MONTH),
    }
    allocation.save_rule(rule=read_rule(rule, first_month=MONTH), actor=ACTOR, now=NOW)
    yield "rule"
    allocation.set_driver_values(
        code="headcount",
        axis=Axis.TEAM,
        month=MONTH,
        values={"ads": Decimal(3), "search": Decimal(5)},
        actor=ACTOR,
        now=NOW,
    )
    yield "driver"
    proof = PlainUpload(f"{marker}.txt", marker.encode())
    moved = AdjustmentDraft(Axis.TEAM, "ads", "search", Decimal("1.50"), marker, marker, (proof,))
    asked = allocation.request_adjustment(month=MONTH, draft=moved, actor=ACTOR, now=NOW)
    allocation.approve_adjustment(id=asked.id, comment=marker, actor=approver, now=NOW)
    account_services.answer_once(
        owner=marker,
        key=marker,
        request=marker.encode(),
        now=NOW,
        act=lambda: account_services.Answer(200, "text/plain", marker.encode()),
    )
    yield "adjustment and answer"


def _told(marker: str) -> Iterator[str]:
    """Set the terms of statements and send a notice."""
    terms = Terms(
        dispute_contact=f"finance@{marker}.example",
        dispute_days=30,
        recovery_account="4711",
        recovery_name=marker,
    )
    chargeback.set_terms(terms=terms, actor=ACTOR, now=NOW)
    notice = notifications.Message(key=f"notice-{marker}", subject=marker, text=marker)
    notifications.post(message=notice, recipients=[f"cfo@{marker}.example"], now=NOW)
    yield "terms and notice"


def _closed(marker: str, people: dict[str, Actor]) -> Iterator[str]:
    """Close the month by two people, hand it over, and ask to open it again."""
    closing.set_policy(wanted=ClosePolicy(Schedule(is_on=True)), actor=ACTOR, now=NOW)
    run = closing.start_close(month=MONTH, actor=people["prepares"], now=NOW)
    yield "close"
    yield from _advanced(run.id)
    closing.approve(run=run.id, approver=people["approves"], comment=marker, now=NOW)
    yield "approval"
    yield from _advanced(run.id)
    assert closes.close_run(run.id).state is closes.RunState.FINISHED
    supposed = allocation.WhatIf(MONTH, marker, without=["shared"])
    allocation.keep_what_if(draft=supposed, actor=ACTOR, now=NOW)
    yield "what-if run"
    yield from _handed_over(marker, people)
    closing.request_reopen(month=MONTH, reason=marker, actor=people["prepares"], now=NOW)
    yield "request to reopen"


def _experiment(marker: str, people: dict[str, Actor]) -> Iterator[str]:
    """Ask for an experiment, have it approved by a link, end it, and name a stand-in."""
    approver = people["approves"]
    plan = ModelPlan(
        provider="testco",
        model="tiny",
        runs=Counts.exactly(1000),
        input_tokens=Counts.exactly(1000),
        output_tokens=Counts.exactly(100),
    )
    proposal = Proposal(
        title=marker,
        hypothesis=marker,
        owner=f"prepares@{marker}.example",
        team="search",
        plans=(plan,),
        starts_on=NOW.date(),
        ends_on=NOW.date(),
        outcome_name="answered",
    )
    made = experiments.create(proposal=proposal, actor=ACTOR, now=NOW)
    upload = experiments.Upload(name=f"{marker}.txt", content=marker.encode())
    experiments.attach(id=made.id, upload=upload, actor=ACTOR, now=NOW)
    experiments.submit(id=made.id, actor=ACTOR, now=NOW)
    step = experiment_questions.submissions(id=made.id, now=NOW)[0].steps[0]
    link = link_for(step=str(step.id), reader=approver.label, verdict=Verdict.APPROVE)
    token = link.rsplit("/", 2)[-2]
    experiments.decide_by_link(token=token, comment=marker, actor=approver, now=NOW)
    yield "experiment"
    experiments.complete(id=made.id, lessons=marker, actor=ACTOR, now=NOW)
    stand_in = experiments.DelegationDraft(
        absent=approver.label,
        delegate=accounts.owners()[0].email,
        starts_on=NOW.date(),
        ends_on=NOW.date(),
        reason=marker,
    )
    experiments.delegate(draft=stand_in, actor=approver, now=NOW)
    yield "outcome report and stand-in"


def _handed_over(marker: str, people: dict[str, Actor]) -> Iterator[str]:
    """Answer the statements, book the month, and export it."""
    seen = statements.statements(month=MONTH, actor=people["approves"])
    yield from _answered(marker, people, seen)
    _notified(marker, people["approves"])
    yield from _booked(marker, seen)
    wanted = statements.Wanted(month=MONTH, dataset=Dataset.COST_AND_USAGE)
    asked = chargeback.request_export(wanted=wanted, actor=ACTOR, now=NOW)
    chargeback.write_export(id=asked.id, now=NOW)
    yield "export"


def _answered(
    marker: str, people: dict[str, Actor], seen: Sequence[statements.StatementFacts]
) -> Iterator[str]:
    """Roll the statements up, and dispute one to its end."""
    asks, decides = people["approves"], people["prepares"]
    for one in seen:
        chargeback.name_responder(
            cost_center=one.cost_center,
            email=f"approves@{marker}.example",
            is_named=True,
            actor=ACTOR,
            now=NOW,
        )
    [below, *_] = [one.cost_center for one in seen if one.cost_center != "UNALLOCATED"]
    directory.ensure_entries(
        actor=ACTOR, now=NOW, cost_centers=[CostCenterFacts(code="cc-top", name=marker)]
    )
    directory.place_cost_center(
        cost_center=below, parent="cc-top", since=None, actor=ACTOR, now=NOW
    )
    assert chargeback.roll_up(month=MONTH, actor=ACTOR, now=NOW)
    yield "roll-ups"
    chargeback.set_policy(policy=Policy(), actor=ACTOR, now=NOW)
    upload = Upload(name=f"{marker}.txt", content=marker.encode())
    dispute = DisputeDraft(comment=marker, files=[upload])
    said = chargeback.dispute(id=seen[0].id, draft=dispute, actor=asks, now=NOW)
    decision = Decision(outcome=Outcome.REJECTED, reason=marker)
    chargeback.resolve(id=seen[0].id, dispute=said.id, decision=decision, actor=decides, now=NOW)
    yield "dispute"


def _notified(marker: str, reader: Actor) -> None:
    """Tell a person something, by a channel, the inbox and the digest."""
    channel = ChannelDraft(
        kind=ChannelKind.EMAIL,
        name=marker,
        address=f"ap@{marker}.example",
        topics=frozenset(Topic),
    )
    notifications.add_channel(draft=channel, actor=ACTOR, now=NOW)
    told = notifications.Notice(
        topic=Topic.BUDGET_ALERT,
        key=f"alert-{marker}",
        subject=marker,
        text=marker,
        data={},
        people=(reader.user_id or 0,),
    )
    notifications.publish(notices=[told], now=NOW)
    chosen = {(Topic.BUDGET_ALERT, Medium.EMAIL): Cadence.DIGEST}
    notifications.set_preferences(chosen=chosen, actor=reader, now=NOW)


def _booked(marker: str, seen: Sequence[statements.StatementFacts]) -> Iterator[str]:
    """Map the accounts, hand the journal out, and confirm that it is posted."""
    for one in seen:
        account = AccountOf(
            kind=MappingKind.COST_CENTER, key=one.cost_center, account=marker, valid_from=MONTH
        )
        chargeback.map_account(mapping=account, actor=ACTOR, now=NOW)
    layout = parse_layout(preset="generic", company=marker, text="")
    chargeback.set_layout(layout=layout, actor=ACTOR, now=NOW)
    booked = chargeback.hand_out_journal(month=MONTH, batch="", format="csv", actor=ACTOR, now=NOW)
    chargeback.confirm_posting(
        batch=booked.filename.removesuffix(".csv"),
        reference=marker,
        posted_on=NOW.date(),
        actor=ACTOR,
        now=NOW,
    )
    yield "journal"


def _advanced(run: object) -> Iterator[str]:
    while True:
        done = closing.advance(run=run, now=NOW)
        yield "step of the close"
        for document in done.documents:
            closing.render_document(run=run, document=document, now=NOW)
            yield "document"
        if done.next is not closing.Next.AGAIN:
            return


def _other_doors(marker: str, key: Actor) -> Iterator[str]:
    """Bring a usage object, the totals of an agent, and a file with a bad row."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "id": marker}
    raw = event(f"{marker}-raw", account=marker, usage=None, raw_usage=usage)
    assert send([raw], actor=key, received_at=NOW).accepted == 1
    agent = span(name=marker, attributes={"gen_ai.operation.name": "invoke_agent", **AGENT})
    ingest.accept_spans(spans=[agent], actor=key, received_at=NOW)
    yield "usage object and span"
    mapping = {"service": f"={marker}", "meters.pages": "data.pages"}
    ingest.record_mapping(door="lago", name=marker, fields=mapping, actor=key, now=NOW)
    yield "event mapping"
    content = json.dumps({"id": marker}).encode()
    file = SimpleUploadedFile("bad.jsonl", content)
    upload = ingest.Upload(f"{marker}.jsonl", file, len(content))
    import_id = ingest.start_import(upload=upload, actor=key, now=NOW)
    ingest.run_import(import_id=import_id, clock=lambda: NOW)
    yield "file"


def _negotiate(marker: str, finance: Actor) -> Iterator[str]:
    """Agree on a discount and a commitment, and derive the prices of a self-hosted model."""
    later = datetime(2026, 6, 1, tzinfo=UTC)
    scope = TermScope(provider=marker)
    discount = DiscountDraft(scope=scope, percent=Decimal(5), valid_from=later, note=marker)
    rating.record_discount(draft=discount, actor=finance, now=NOW)
    yield "discount"
    agreed = rating.record_commitment(
        draft=CommitmentDraft(
            name=marker,
            scope=scope,
            measure="spend",
            currency="USD",
            levels=(LevelDraft(commit=Decimal(9), percent=Decimal(5)),),
        ),
        actor=finance,
        now=NOW,
    )
    rating.put_level_in_force(
        commitment=agreed,
        level=1,
        valid_from=later,
        valid_to=None,
        note=marker,
        actor=finance,
        now=NOW,
    )
    yield "commitment"
    rating.record_cost_model(
        draft=CostModelDraft(
            name=marker,
            gpu_hourly_rate=Decimal(2),
            gpus=Decimal(1),
            currency="USD",
            throughput={"output_tokens": Decimal(100)},
            utilization=Decimal("0.5"),
        ),
        priced=rating.Priced(provider=marker, model=marker, valid_from=later, note=marker),
        actor=finance,
        now=NOW,
    )
    yield "cost model"


def _put_right(marker: str, key: Actor, finance: Actor) -> Iterator[str]:
    """Replace usage by a backfill, map a model, and say which feed of a model counts."""
    start = datetime(2026, 1, 15, tzinfo=UTC)
    draft = backfills.BackfillDraft(
        source=marker, starts_at=start, ends_at=start + timedelta(days=1), reason=marker, tags={}
    )
    backfill = backfills.open_backfill(draft=draft, actor=key, now=NOW)
    drafts = decode_events(
        body=json.dumps([event(f"{marker}-back", source=marker)]).encode(), form=Form.JSON
    )
    backfills.post_events(backfill=backfill, drafts=drafts, actor=key, received_at=NOW)
    backfill_close.close_backfill(backfill=backfill, actor=key, now=NOW)
    yield "backfill"
    mapping = rating.MappingDraft(
        sent_provider=marker,
        sent_model=marker,
        provider="testco",
        model="tiny",
        valid_from=start,
        note=marker,
    )
    ingest.map_model(draft=mapping, actor=finance, now=NOW)
    yield "mapping"
    metered = AccountDraft(
        code="metered", name=marker, provider=marker, account="*", truth=Truth.METERED
    )
    costs.declare_account(draft=metered, actor=finance, now=NOW)
    costs.say_model_feed(
        code="metered",
        model=marker,
        feed=Feed.BUCKET,
        since=MONTH,
        reason=marker,
        actor=finance,
        now=NOW,
    )
    yield "feed"


AGENT = {"gen_ai.usage.input_tokens": 10}


def _budgeted(marker: str) -> Iterator[str]:
    """Set budgets and policies, hold money, cross a threshold."""
    draft = BudgetDraft(
        name=marker,
        amount=Decimal(100),
        currency="USD",
        scope={"feature": marker},
        window=Window.YEAR,
        owners=[f"owner@{marker}.example"],
        thresholds=[Threshold(Decimal("0.01"))],
    )
    limited = budgets.create(draft=draft, actor=ACTOR, now=NOW)
    rolling = replace(draft, window=Window.ROLLING, days=60, thresholds=())
    budgets.create(draft=rolling, actor=ACTOR, now=NOW)
    yield "budgets"
    later = NOW + timedelta(days=1)
    budgets.raise_limit(
        budget=limited, amount=Decimal(1), expires_at=later, reason=marker, actor=ACTOR, now=NOW
    )
    ask = Ask(tags={"feature": marker}, amount=Decimal(1), currency="USD")
    assert budgets.authorize(ask=ask, actor=ACTOR, now=NOW).hold is not None
    budgets.tend(now=NOW)
    budgets.snooze(budget=limited, until=later, reason=marker, actor=ACTOR, now=NOW)
    yield "hold and alert"
    policy = PolicyDraft(
        name=marker,
        rules=Rules(denied_models=(marker,)),
        scope={"feature": marker},
        valid_from=NOW.date(),
    )
    budgets.create_policy(draft=policy, actor=ACTOR, now=NOW)
    justified = budgets.JustificationDraft(
        scope={}, reason=marker, valid_from=NOW.date(), valid_to=later.date()
    )
    budgets.justify(draft=justified, actor=ACTOR, now=NOW)
    yield "policy"


def _directory(marker: str) -> None:
    enter_directory()
    directory.ensure_entries(
        actor=ACTOR,
        now=NOW,
        cost_centers=[CostCenterFacts(code="cc-lab", name=marker, parent="cc-platform")],
        products=[ProductFacts(code="assistant", name=marker)],
        features=[FeatureFacts(code=marker, name=marker, product="assistant")],
    )
    directory.map_tag_value(
        tag="project", value=marker, dimension="team", target="ads", actor=ACTOR, now=NOW
    )


def _rates() -> None:
    currency = tenants.current().currency
    other = "EUR" if currency == "USD" else "USD"
    for kind in RateKind:
        periods.set_rate(
            month=MONTH,
            base=other,
            quote=currency,
            rate=Decimal("0.9"),
            kind=kind,
            source="tests",
            rate_on=date(2026, 1, 31),
            actor=ACTOR,
            now=NOW,
        )
