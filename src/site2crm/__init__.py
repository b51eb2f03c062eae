"""Site2CRM: from the click to the lead to the deal, on one droplet."""

__version__ = "0.1.0"
