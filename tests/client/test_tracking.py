"""Reports tied to a block or a function."""

from __future__ import annotations

import pytest

from tests.client import ledger
from tests.client.conftest import MakeClient
from tests.client.servers import AppServer

UNTIL = 60.0  # seconds; reached only where something is broken


def test_a_block_reports_what_it_learned(make_client: MakeClient) -> None:
    client = make_client()
    with client.tracks("CONTACT_CREATED", user="ada", metadata={"from": "form"}) as event:
        event.resource = ("contact", "17")
        event.metadata["country"] = "NL"
    assert client.flush(UNTIL)
    (recorded,) = ledger.events()
    assert (recorded.user_id, recorded.resource_type, recorded.resource_id) == ("ada", "contact", "17")
    assert recorded.details == {"from": "form", "country": "NL"}


def test_a_function_reports_each_call_with_the_resource_of_its_result(make_client: MakeClient) -> None:
    client = make_client()

    @client.tracks("CONTACT_CREATED", resource=lambda number: ("contact", str(number)))
    def create_contact(name: str) -> int:
        """Create one."""
        return len(name)

    assert [create_contact("Ada"), create_contact("Grace")] == [3, 5]
    assert client.flush(UNTIL)
    assert {event.resource_id for event in ledger.events()} == {"3", "5"}
    assert (create_contact.__name__, create_contact.__doc__) == ("create_contact", "Create one.")


def test_what_failed_is_not_reported(make_client: MakeClient) -> None:
    client = make_client()

    @client.tracks("CONTACT_CREATED", resource=("contact", "1"))
    def create_contact() -> None:
        raise LookupError

    with pytest.raises(LookupError), client.tracks("CONTACT_CREATED"):
        raise LookupError
    with pytest.raises(LookupError):
        create_contact()
    assert client.stats().waiting == 0
    assert client.flush(UNTIL)
    assert ledger.events() == []


def test_an_action_that_is_done_stays_done_when_the_spool_is_full(
    make_client: MakeClient, server: AppServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    client = make_client(max_spool_bytes=10)
    with client.tracks("CONTACT_CREATED", user="ada", resource=("contact", "17")):
        pass
    assert client.stats().dropped == 1
    (complaint,) = [entry.getMessage() for entry in caplog.records if "not reported" in entry.getMessage()]
    assert all(part in complaint for part in ("CONTACT_CREATED", "ada", "17"))
