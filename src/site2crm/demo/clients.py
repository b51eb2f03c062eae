"""Who the demo is about: an agency's clients, their campaigns, and the people who become leads. All invented."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Campaign:
    """One short link. `clicks`: a day, on a weekday; `leads`: of a hundred visitors."""

    slug: str
    title: str
    campaign: str
    source: str
    medium: str
    clicks: int
    leads: float
    tags: tuple[str, ...] = ()
    referrer: str = ""


@dataclass(frozen=True)
class Client:
    """One org. `crm`: the kind that its leads go to; `worth`: what a deal brings, least and most."""

    slug: str
    name: str
    pitch: str
    time_zone: str
    country: str
    currency: str
    crm: str
    worth: tuple[int, int]
    salespeople: tuple[tuple[str, str], ...]
    campaigns: tuple[Campaign, ...]
    questions: tuple[str, ...] = field(default=("Please call me about an offer.",))


CLIENTS = (
    Client(
        slug="sunward",
        name="Sunward Solar",
        pitch="Panels on your roof within six weeks. Tell us about your house, we answer the same day.",
        time_zone="Europe/Berlin",
        country="DE",
        currency="EUR",
        crm="hubspot",
        worth=(7_800, 24_500),
        salespeople=(("Mara", "Lindqvist"), ("Jonas", "Keller"), ("Petra", "Novak")),
        campaigns=(
            Campaign("solar-spring", "Autumn offer, search ads", "autumn-offer", "google", "cpc", 26, 6.5, ("ads",),
                     "https://www.google.com/"),
            Campaign("solar-mail", "Newsletter, November", "newsletter", "newsletter", "email", 14, 9.0, ("mail",)),
            Campaign("solar-ig", "Instagram profile", "social", "instagram", "social", 18, 2.4, ("social",),
                     "https://www.instagram.com/"),
            Campaign("solar-flyer", "Flyer, trade fair", "trade-fair", "flyer", "print", 6, 8.0, ("print",)),
        ),
        questions=(
            "Our roof faces south, about 80 square metres. What would that cost?",
            "We would like an offer for panels and a battery.",
            "Do you also work in the Spreewald?",
            "Bitte um Rückruf nach 17 Uhr.",
        ),
    ),
    Client(
        slug="bloom-dental",
        name="Bloom Dental",
        pitch="Book a first visit. We call back within the hour, on weekdays from eight to six.",
        time_zone="America/New_York",
        country="US",
        currency="USD",
        crm="pipedrive",
        worth=(350, 4_200),
        salespeople=(("Dana", "Whitfield"), ("Omar", "Haddad")),
        campaigns=(
            Campaign("bloom-visit", "First visit, search ads", "first-visit", "google", "cpc", 22, 7.5, ("ads",),
                     "https://www.google.com/"),
            Campaign("bloom-fb", "Whitening, Facebook", "whitening", "facebook", "paid", 20, 3.2, ("ads", "social"),
                     "https://www.facebook.com/"),
            Campaign("bloom-recall", "Recall by text message", "recall", "sms", "sms", 8, 11.0, ("mail",)),
        ),
        questions=(
            "I need an appointment for a broken filling.",
            "Do you take new patients in December?",
            "How much is whitening?",
        ),
    ),
    Client(
        slug="harbor-legal",
        name="Harbor Legal",
        pitch="Employment law, nothing else. The first talk is free.",
        time_zone="Europe/London",
        country="GB",
        currency="GBP",
        crm="zoho",
        worth=(900, 9_800),
        salespeople=(("Imogen", "Clarke"), ("Rhys", "Morgan")),
        campaigns=(
            Campaign("harbor-talk", "Free first talk", "first-talk", "linkedin", "paid", 15, 5.0, ("ads",),
                     "https://www.linkedin.com/"),
            Campaign("harbor-guide", "Guide to dismissals", "guide", "newsletter", "email", 11, 6.0, ("mail",)),
            Campaign("harbor-qr", "Poster, Underground", "poster", "poster", "print", 5, 4.0, ("print",)),
        ),
        questions=(
            "My contract was ended without notice.",
            "I would like a first talk next week.",
            "Could you look at a settlement agreement?",
        ),
    ),
)  # fmt: skip

_FIRST_NAMES = """
Ada Amir Anna Ben Carla Chidi Daria David Elena Emil Farah Felix Grace Hana Hugo Ines Ivan Jana Jamal Karin
Kofi Laura Leo Lucia Marek Mei Mia Nadia Noah Olga Omar Paula Priya Rosa Ruben Sara Sofia Tariq Tom Vera Wen
Yusuf Zoe
"""
FIRST = _FIRST_NAMES.split()
_LAST_NAMES = """
Abbott Ahmed Bauer Becker Brandt Castillo Chen Costa Dubois Eriksen Fischer Fontaine Garcia Haas Ibrahim
Jansen Kowalski Kaur Larsen Lopez Martin Mensah Moreau Nguyen Okafor Ortiz Patel Petrov Quinn Rossi Schmidt
Silva Sharma Tanaka Tran Usman Vogel Weber Wong Yilmaz Zimmermann
"""
LAST = _LAST_NAMES.split()
COMPANIES = ("", "", "", "Birch & Sons", "Kestrel Works", "Oakfield Ltd", "Studio Nord", "Veritas GmbH", "Maple Bakery")

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile"
    " Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
NETWORKS = {
    "DE": ("91.12", "84.140", "217.80"),
    "US": ("73.162", "24.5", "98.210"),
    "GB": ("81.130", "86.150", "90.200"),
}
"""The first half of addresses of large providers there."""
