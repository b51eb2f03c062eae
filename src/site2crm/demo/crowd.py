"""Who comes to the websites of the demo: names, companies, telephones, browsers, networks. All invented."""

from random import Random
from typing import NamedTuple

from site2crm.demo.clients import Client

_FIRST_NAMES = """
Ada Amir Anna Ben Carla Chidi Daria David Elena Emil Farah Felix Grace Hana Hugo Ines Ivan Jana Jamal Karin
Kofi Laura Leo Lucia Marek Mei Mia Nadia Noah Olga Omar Paula Priya Rosa Ruben Sara Sofia Tariq Tom Vera Wen
Yusuf Zoe
"""
_FIRST = _FIRST_NAMES.split()
_LAST_NAMES = """
Abbott Ahmed Bauer Becker Brandt Castillo Chen Costa Dubois Eriksen Fischer Fontaine Garcia Haas Ibrahim
Jansen Kowalski Kaur Larsen Lopez Martin Mensah Moreau Nguyen Okafor Ortiz Patel Petrov Quinn Rossi Schmidt
Silva Sharma Tanaka Tran Usman Vogel Weber Wong Yilmaz Zimmermann
"""
_LAST = _LAST_NAMES.split()
_COMPANIES = (
    ("Birch & Sons", "birch-sons"),
    ("Kestrel Works", "kestrelworks"),
    ("Oakfield Ltd", "oakfield"),
    ("Studio Nord", "studionord"),
    ("Veritas GmbH", "veritas"),
    ("Maple Bakery", "maplebakery"),
    ("Halden Freight", "haldenfreight"),
    ("Ostrava Glass", "ostravaglass"),
)
_AT_WORK = 0.35
"""Of all who write: those who do so for a company."""
_SHY = 0.04
"""... and those who leave out their number."""

_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile"
    " Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)
_SHARES = (30, 14, 30, 20, 6)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Country(NamedTuple):
    """`networks`: the first half of addresses of large providers there; `number`: # stands for a digit."""

    networks: tuple[str, ...]
    number: str


_COUNTRIES = {
    "CA": Country(("24.114", "70.24", "99.224"), "+1 416 555 01##"),
    "DE": Country(("91.12", "84.140", "217.80"), "+49 30 23125 ###"),
    "ES": Country(("83.45", "88.12", "80.58"), "+34 91 9## ## ##"),
    "GB": Country(("81.130", "86.150", "90.200"), "+44 20 7946 0###"),
    "NL": Country(("84.80", "77.160", "86.80"), "+31 20 7## ####"),
    "US": Country(("73.162", "24.5", "98.210"), "+1 212 555 01##"),
}


def visitor(chance: Random, country: str) -> tuple[str, str]:
    """(address, browser)."""
    network = chance.choice(_COUNTRIES[country].networks)
    [browser] = chance.choices(_BROWSERS, _SHARES)
    return f"{network}.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}", browser


def lead(chance: Random, client: Client) -> dict[str, str]:
    """What somebody writes into the form."""
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    said = {"name": f"{first} {last}", "message": chance.choice(client.questions)}
    if chance.random() < _AT_WORK:
        company, domain = chance.choice(_COMPANIES)
        said |= {"company": company, "email": f"{first}.{last}@{domain}.example".lower()}
    else:
        said["email"] = f"{first}.{last}{chance.randrange(10, 99)}@mail.example".lower()
    number = "".join(str(chance.randrange(10)) if c == "#" else c for c in _COUNTRIES[client.country].number)
    return said if chance.random() < _SHY else {**said, "phone": number}
