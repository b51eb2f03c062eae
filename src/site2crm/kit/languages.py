"""English names of the languages that browsers ask for, by ISO 639-1 code."""

_TABLE = """
af Afrikaans|am Amharic|ar Arabic|az Azerbaijani|be Belarusian|bg Bulgarian|bn Bengali|bs Bosnian|ca Catalan|cs Czech
cy Welsh|da Danish|de German|el Greek|en English|es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish|fr French
ga Irish|gl Galician|gu Gujarati|he Hebrew|hi Hindi|hr Croatian|hu Hungarian|hy Armenian|id Indonesian|is Icelandic
it Italian|ja Japanese|ka Georgian|kk Kazakh|km Khmer|kn Kannada|ko Korean|ku Kurdish|ky Kyrgyz|lb Luxembourgish|lo Lao
lt Lithuanian|lv Latvian|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|nb Norwegian
ne Nepali|nl Dutch|nn Norwegian (Nynorsk)|no Norwegian|pa Punjabi|pl Polish|ps Pashto|pt Portuguese|rm Romansh
ro Romanian|ru Russian|sd Sindhi|si Sinhala|sk Slovak|sl Slovenian|so Somali|sq Albanian|sr Serbian|sv Swedish
sw Swahili|ta Tamil|te Telugu|tg Tajik|th Thai|tk Turkmen|tl Filipino|tr Turkish|tt Tatar|ug Uyghur|uk Ukrainian|ur Urdu
uz Uzbek|vi Vietnamese|xh Xhosa|yo Yoruba|zh Chinese|zu Zulu
"""

NAMES = {entry[:2]: entry[3:] for entry in _TABLE.strip().replace("\n", "|").split("|")}


def name(tag: str) -> str:
    """`de` -> German, `pt-BR` -> Portuguese (BR); a tag that nobody knows is its own."""
    code, _, region = tag.replace("_", "-").partition("-")
    known = NAMES.get(code.lower())
    if known is None:
        return tag
    return f"{known} ({region.upper()})" if region else known
