"""Salesforce's outbound messages: SOAP, unsigned, a hundred records at most (crm/salesforce.md 11)."""

from collections.abc import Mapping
from typing import NamedTuple
from xml.parsers import expat

RECEIPT = (
    "text/xml",
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>",
)
"""Without it Salesforce says the same again for a day."""
_OUTBOUND = "http://soap.sforce.com/2005/09/outbound "
_TYPE = "http://www.w3.org/2001/XMLSchema-instance type"


class Message(NamedTuple):
    """The org that sent it, and (object, id) of the records."""

    org: str
    records: list[tuple[str, str]]


def is_one(body: bytes) -> bool:
    return body.lstrip().startswith((b"<", b"\xef\xbb\xbf<"))


def read(body: bytes) -> Message:
    """Raises ValueError for what is none."""
    reader = _Reader()
    try:
        reader.parser.Parse(body, True)
    except (expat.ExpatError, LookupError) as error:  # the latter: an encoding that does not exist
        raise ValueError("This is no XML.") from error
    if not reader.is_outbound:
        raise ValueError("This is no outbound message.")
    return Message(reader.org, reader.records)


class _Reader:
    """Of a document whose names are written out with their namespaces. It may define nothing of its own."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = _refuse
        self.is_outbound, self.org = False, ""
        self.records: list[tuple[str, str]] = []
        self._object, self._said = "", ""

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        self._said = ""
        if name == f"{_OUTBOUND}notifications":
            self.is_outbound = True
        elif name == f"{_OUTBOUND}sObject":
            self._object = attributes.get(_TYPE, "").rpartition(":")[2]

    def _text(self, data: str) -> None:
        self._said += data

    def _end(self, name: str) -> None:
        if name == f"{_OUTBOUND}OrganizationId":
            self.org = self._said.strip()
        elif name == f"{_OUTBOUND}sObject":
            self._object = ""
        elif self._object and name.rpartition(" ")[2] == "Id":
            self.records.append((self._object, self._said.strip()))
        self._said = ""


def _refuse(*_: object) -> None:
    raise ValueError("An outbound message defines no types of its own.")
