"""Backups: one file that holds all three stores at a cut from which everything can go on.

The order of the copies is what makes it whole: the journal first, then the events, then the records.

- What was acknowledged before the start is in the copied journal, or its segment was removed because a consumer had
  stored it: then it is in the store that is copied afterwards. Nobody is stopped, nothing is pinned.
- The records come last, so whatever journal or events refer to (a form, a link) is in them.
- A restored journal is written anew under a new epoch, and holds only what the restored stores have not yet got
  (`journal_copy`): their consumers begin at its beginning, nothing is lost, nothing is doubled.

`errors` what can go wrong, `sealing` encryption, `archive` the file's format, `manifest` what it says of itself,
`records`, `event_file` and `journal_copy` the stores, `create` and `restore` the two ways, `shelf` the folder of
backups, `remote` the copies elsewhere.
"""
