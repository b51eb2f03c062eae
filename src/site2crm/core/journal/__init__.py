"""The journal: append-only, checksummed segment files that hold what was accepted until its consumer has applied it.

Two streams. `submissions`: an append is acknowledged after an fdatasync that concurrent appends share. `events`: an
append is a copy into a mapped segment (a killed process loses none), synced every 50 ms, dropped and counted at the
size cap. Delivery is at least once: a record whose sync failed is written again into a new segment, so after a crash
it may be read twice, and even one answered with `JournalBroken` may turn up. Consumers are idempotent by the id
inside the record.

`contract` what callers see, `journal` the API, `sync_thread` its thread, `durable` and `mapped` the two writers,
`stream` reading and removal, `leftover` what another process has left, `recovery` opening after a crash, `segment` one
file, `frame` its bytes, `disk` the calls that can fail.
"""
