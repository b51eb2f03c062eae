"""Where an address is: the country from a file in memory, region and city if the operator has such a database.

A country file in the data folder (`site2crm geo refresh` puts it there) wins over the one that is shipped.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

import maxminddb

from site2crm.core import log, resources
from site2crm.core.journal import disk

REFRESHED = Path("geo") / "country.mmdb"
SHIPPED = "country.mmdb"
REMEMBERED = 4_096
PROBES = {"8.8.8.8": "US", "193.0.6.139": "NL"}
"""Addresses whose country does not move."""

_log = log.get("geo")


class Unusable(Exception):
    """This file does not tell countries."""


class Place(NamedTuple):
    """Empty where unknown. `country` is ISO 3166-1 alpha-2."""

    country: str
    region: str
    city: str


NOWHERE = Place("", "", "")


class Geo:
    """`country` and `place` are called for every click: 3 us, from memory. `reload` in a thread."""

    def __init__(self, data_dir: Path, *, city_database: Path | None = None) -> None:
        self._refreshed = data_dir / REFRESHED
        self._city_path = city_database
        self._stamps: tuple[object, ...] = ()
        self._countries: maxminddb.Reader | None = None
        self._cities: maxminddb.Reader | None = None
        self.place = lru_cache(maxsize=REMEMBERED)(self._place)
        self.reload()

    def country(self, address: str) -> str:
        """`DE`, or nothing."""
        return self.place(address).country

    def reload(self) -> None:
        """Take up files that have changed; one that cannot be read is passed over, and said."""
        stamps = (_stamp(self._refreshed), _stamp(self._city_path))
        if stamps == self._stamps:
            return
        self._stamps = stamps
        self._countries = _opened(self._refreshed) or _opened(resources.geo() / SHIPPED)
        self._cities = _opened(self._city_path)
        # A new cache, not an emptied one: an answer of the old files under way would land in it.
        self.place = lru_cache(maxsize=REMEMBERED)(self._place)

    def _place(self, address: str) -> Place:
        try:
            parsed = ip_address(address)
        except ValueError:
            return NOWHERE
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        found = _place_of(_get(self._cities, str(parsed)))
        return found if found.country else found._replace(country=_place_of(_get(self._countries, str(parsed))).country)


def check(path: Path) -> int:
    """When this country database was made, in Unix seconds. Raises Unusable with the reason."""
    try:
        with maxminddb.open_database(path) as reader:
            wrong = {
                address: found
                for address, country in PROBES.items()
                if (found := _place_of(_get(reader, address)).country) != country
            }
            made = reader.metadata().build_epoch
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise Unusable(f"It is no database in MaxMind's format ({error}).") from error
    if wrong:
        raise Unusable(f"It does not know the country of well-known addresses: {', '.join(sorted(wrong))}.")
    return made


def replace(data_dir: Path, content: bytes) -> int:
    """Check a new country file and put it in place whole, or raise Unusable and change nothing."""
    target = data_dir / REFRESHED
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_suffix(".new")
    try:
        disk.write_file(draft, content)
        made = check(draft)
        draft.replace(target)
        disk.sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return made


def _get(reader: maxminddb.Reader | None, address: str) -> object:
    if reader is None:
        return None
    try:
        return reader.get(address)
    except (ValueError, maxminddb.InvalidDatabaseError):  # an IPv6 address and a file of IPv4; a damaged record
        return None


def _place_of(record: object) -> Place:
    """Both shapes in use: flat (`country_code`) and MaxMind's own (`country.iso_code`, names by language)."""
    if not isinstance(record, dict):
        return NOWHERE
    subdivisions = record.get("subdivisions")
    region = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else record.get("state1", "")
    country = record.get("country_code") or _member(record.get("country"), "iso_code")
    return Place(_text(country).upper()[:2], _named(region), _named(record.get("city", "")))


def _named(value: object) -> str:
    return _text(_member(_member(value, "names"), "en") if isinstance(value, dict) else value)


def _member(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        info = path.stat() if path else None
    except OSError:
        return None
    return (info.st_mtime_ns, info.st_size, info.st_ino) if info else None


def _opened(path: Path | None) -> maxminddb.Reader | None:
    if path is None or not path.exists():
        return None
    try:
        return maxminddb.open_database(path, maxminddb.MODE_AUTO)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        _log.warning("geo.unreadable", file=str(path), error=str(error))
        return None
