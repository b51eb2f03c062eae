"""Salesforce by signing in to the customer's own External Client App; REST API v67.0. Leads or contacts, as chosen."""
