"""First path segments that the product keeps for itself: no short link may be named like one. Only ever grows."""

SEGMENTS = frozenset(
    """
    .well-known admin agency api app appsumo assets blog case-studies confirm contact docs f favicon.ico features
    health healthz help hooks invite livez login logout manifest.json metrics o oauth orgs partner pricing privacy
    profile readyz reset robots.txt s security.txt setup sitemap.xml static status t terms theme unsubscribe
    """.split()
)
