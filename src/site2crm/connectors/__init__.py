"""The way into the CRMs: one contract, a registry of kinds, one folder per kind.

`contract.py` is what delivery and the pages know; no vendor's word leaves its folder. Where to look:

- a kind of CRM: `kinds.py` says what it is made of, `registry.py` has a line for each. What its folder builds on:
  `contract`, `grants`, `sales`, `hints`, `pushing`; `wire`, `pacing` and `turning` for its calls, `coercion`, `singly`
  for leads.
- a connection: entered (`entering`, `reentering`), asked (`opening`, `asking`), kept (`service`, `health`, `stopping`,
  `sealing`), left (`leaving`), or declared in the configuration file (`declaring`, `declared_rules`, `declared_check`,
  `copying`).
- signing in: `signing_in`, `granting`, `apps`, `sign_in_pages`; taken back there: `withdrawing`.
- what becomes of a lead: `sources`, `mapping`, `owners`, `dealing`, put together in `sending`; checked by `ruling`,
  proposed by `suggest`, tried by `dry_run`, watched by `drift` and `fitting`, edited by `editor` and `rule_editor`.
- what a CRM sends us: `app_hooks`, `receiving`; hooks of one connection are heard in `deals.hooks`.
"""
