"""Whom the demo is about: an agency's clients, one for each kind of CRM, and their campaigns. All invented."""

from dataclasses import dataclass


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
    """One org. `crm`: the kind that its leads go to; `worth`: what one of its `goods` brings, least and most."""

    slug: str
    name: str
    pitch: str
    time_zone: str
    country: str
    currency: str
    crm: str
    worth: tuple[int, int]
    salespeople: tuple[tuple[str, str], ...]
    goods: tuple[str, ...]
    campaigns: tuple[Campaign, ...]
    questions: tuple[str, ...]


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
        goods=("Roof, 6 kWp", "Roof, 10 kWp", "Roof and battery", "Wallbox"),
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
        goods=("Whitening", "Crown", "Check-up", "Implant"),
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
        goods=("Unfair dismissal", "Settlement agreement", "Contract review"),
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
    Client(
        slug="vega-kitchens",
        name="Vega Kitchens",
        pitch="Kitchens made to measure, from the first drawing to the last tap. Book a visit to the showroom.",
        time_zone="Europe/Madrid",
        country="ES",
        currency="EUR",
        crm="salesforce",
        worth=(6_400, 38_000),
        salespeople=(("Lucía", "Ferrer"), ("Mateo", "Roca"), ("Nuria", "Vidal")),
        goods=("Kitchen", "Kitchen island", "Worktop", "Fitted wardrobe"),
        campaigns=(
            Campaign("vega-show", "Showroom visit, search ads", "showroom", "google", "cpc", 16, 6.0, ("ads",),
                     "https://www.google.com/"),
            Campaign("vega-pin", "Ideas, Pinterest", "ideas", "pinterest", "social", 12, 3.0, ("social",),
                     "https://www.pinterest.com/"),
            Campaign("vega-home", "Home fair, Valencia", "home-fair", "fair", "print", 5, 10.0, ("print",)),
        ),
        questions=(
            "We are renovating in spring and would like a quote.",
            "Can I see the oak fronts in your showroom?",
            "How long does a kitchen take from order to fitting?",
        ),
    ),
    Client(
        slug="polder-bikes",
        name="Polder Bikes",
        pitch="Cargo bikes for companies: lease, insurance and repair at one price. Try one for a week.",
        time_zone="Europe/Amsterdam",
        country="NL",
        currency="EUR",
        crm="nutshell",
        worth=(2_900, 21_000),
        salespeople=(("Sanne", "Visser"), ("Bram", "de Wit")),
        goods=("Trial week", "2 cargo bikes", "Fleet of 5", "Repair contract"),
        campaigns=(
            Campaign("polder-trial", "Trial week, LinkedIn", "trial-week", "linkedin", "paid", 12, 6.5, ("ads",),
                     "https://www.linkedin.com/"),
            Campaign("polder-mail", "Newsletter for couriers", "couriers", "newsletter", "email", 9, 7.0, ("mail",)),
            Campaign("polder-van", "Sticker on our vans", "vans", "van", "print", 4, 5.0, ("print",)),
        ),
        questions=(
            "We deliver flowers in Utrecht and need two bikes.",
            "What does the lease cost with insurance?",
            "Could we try one in the first week of December?",
        ),
    ),
    Client(
        slug="summit-coaching",
        name="Summit Coaching",
        pitch="Coaching for people who lead for the first time. The first hour is on us.",
        time_zone="America/Toronto",
        country="CA",
        currency="CAD",
        crm="webhook",
        worth=(900, 7_500),
        salespeople=(("Priya", "Raman"), ("Colin", "Fraser")),
        goods=("Six sessions", "Team workshop", "Year of coaching"),
        campaigns=(
            Campaign("summit-hour", "First hour free, search ads", "first-hour", "google", "cpc", 11, 7.0, ("ads",),
                     "https://www.google.com/"),
            Campaign("summit-pod", "Podcast, episode 14", "podcast", "podcast", "audio", 9, 5.0, ("audio",)),
            Campaign("summit-yt", "Talk on YouTube", "talk", "youtube", "video", 8, 3.0, ("social",),
                     "https://www.youtube.com/"),
        ),
        questions=(
            "I was promoted in October and would like the first hour.",
            "Do you also run workshops for a team of eight?",
            "Is coaching in French possible?",
        ),
    ),
)  # fmt: skip
