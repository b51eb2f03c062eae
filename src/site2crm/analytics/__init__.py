"""Analytics: clicks of the event store and leads of the records, over time and by anything, against the time before.

`queries` answers, `asking` reads what is asked for, `overview` and `panel` are what people see, `api` is for the rest.
"""
