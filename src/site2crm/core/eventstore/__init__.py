"""What happened, one row each, in columns: appended by the consumer of the journal, asked by pages and the API."""
