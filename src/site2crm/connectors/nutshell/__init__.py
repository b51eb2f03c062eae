"""Nutshell by e-mail and API key: contacts and companies in, leads (which are deals) and activities back."""
