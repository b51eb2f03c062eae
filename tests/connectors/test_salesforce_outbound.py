"""Salesforce's outbound messages: what they tell, whose they are, and what is no message."""

import xml.etree.ElementTree as ET

import pytest

from site2crm.connectors.contract import Account, Act, Kind
from site2crm.connectors.hints import BadProof
from site2crm.connectors.salesforce import hooks, outbound
from site2crm.connectors.salesforce.hooks import FlowHooks
from tests.connectors.connector_cases import context

ORG, DEAL, TASK = "00D5g00000ABCDEEA4", "0065g00000XyZabAAF", "00T5g00000XyZabAAF"
URL, SECRET = "https://app.example.com/hooks/con_1/s3cret", "s3cret"


def notification(name: str, id: str) -> str:
    return f"""
   <Notification>
    <Id>04l5g00000AAAAAAA4</Id>
    <sObject xsi:type="sf:{name}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>{id}</sf:Id><sf:Name>A &lt;b&gt; &amp; Łódź</sf:Name>
    </sObject>
   </Notification>"""


def message(*notifications: str, org: str = ORG) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{org}</OrganizationId>
   <ActionId>04k5g00000AAAAAAA4</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/67.0/{org}</EnterpriseUrl>
   <PartnerUrl>https://acme.my.salesforce.com/services/Soap/u/67.0/{org}</PartnerUrl>{"".join(notifications)}
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>""".encode()


async def told(body: bytes, *, org: str = ORG, url: str = URL) -> list[tuple[object, str]]:
    async with context(account=Account(org, "Acme") if org else None) as (found, _):
        return [(change.kind, change.id) for change in FlowHooks(found).parse({}, body, url=url, secret=SECRET)]


async def test_every_record_of_a_message_is_named() -> None:
    body = message(
        notification("Opportunity", DEAL), notification("Task", TASK), notification("Case", "500" + DEAL[3:])
    )
    assert await told(body) == [(Kind.DEAL, DEAL), (Act.TASK, TASK)]
    assert await told(message(*[notification("Opportunity", DEAL)] * 100)) == [(Kind.DEAL, DEAL)] * 100
    assert await told(message()) == []


async def test_the_short_and_the_long_form_of_an_org_are_one() -> None:
    assert await told(message(notification("Opportunity", DEAL)), org=ORG[:15])
    assert await told(message(notification("Opportunity", DEAL), org=ORG[:15]))


@pytest.mark.parametrize("org", ["00D5g00000ABCDFEA4", "", "00D"])
async def test_a_message_of_another_org_is_refused(org: str) -> None:
    with pytest.raises(BadProof, match="another org"):
        await told(message(notification("Opportunity", DEAL), org=org))
    with pytest.raises(BadProof):
        await told(message(notification("Opportunity", DEAL)), org=org)


async def test_a_message_to_another_address_is_refused() -> None:
    with pytest.raises(BadProof, match="secret"):
        await told(message(notification("Opportunity", DEAL)), url=URL + "x")


LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'


@pytest.mark.parametrize(
    "body",
    [b"<", b"<html></html>", b"<a>" * 100_000, LAUGHS, b'<?xml version="1.0" encoding="x-none"?><a/>',
     b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', message()[:-20], b"<a>\xff</a>"],
)  # fmt: skip
async def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"no XML|no outbound message|no types"):
        await told(body)


def test_the_receipt_is_what_salesforce_waits_for() -> None:
    assert hooks.receipt(b'{"object": "Lead"}') is None
    kept = hooks.receipt(b"\n" + message())
    assert kept is not None
    assert kept[0].startswith("text/xml")
    namespace = "{http://soap.sforce.com/2005/09/outbound}"
    found = ET.fromstring(kept[1]).find(f".//{namespace}notificationsResponse/{namespace}Ack")
    assert found is not None
    assert found.text == "true"
    assert outbound.is_one(b"\xef\xbb\xbf<a/>")
