"""Submissions into leads, with Core statements: the consumer applies a hundred at once, a release a few.

The caller holds the write lock, so that what is read here cannot change before it is written.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import Row, Select, Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from site2crm.core.events import emit
from site2crm.core.sql import upsert_many
from site2crm.leads import folding, search
from site2crm.leads.events import AcceptedSubmission, LeadsChanged, SubmissionsAccepted
from site2crm.leads.folding import Incoming, LeadRow
from site2crm.leads.models import Lead, LeadSearch, Submission
from site2crm.leads.states import SubmissionStatus
