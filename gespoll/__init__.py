"""Wait for Huawei Cloud Graph Engine Service jobs in asyncio: few requests, every change, typed errors."""

import logging

from gespoll._credentials import AccessKey, Credentials, PasswordCredentials, Token
from gespoll._errors import (
    AuthenticationError,
    EndUnconfirmed,
    GespollError,
    ImportFailed,
    ImportPartiallyFailed,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotFound,
    JobsFailed,
    JobVanished,
    ListIncomplete,
    PendingTimeout,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
    TransportError,
    UnknownEnd,
    WaitTimeout,
)
from gespoll._http import EngineSource, ManagementSource
from gespoll._jobs import ImportFile, Job, JobRef, JobRequest, JobStatus, StateChange
from gespoll._observer import Observer, RequestMade, WaitEnded, WaitStarted
from gespoll._poller import Poller, connect
from gespoll._scheduler import ChannelReport, Explanation, Statistics
from gespoll._snapshot import snapshot_refs
from gespoll._source import JobSource, ListingSource, ListWindow
from gespoll._watch import Watch

__all__ = [
    "AccessKey",
    "AuthenticationError",
    "ChannelReport",
    "Credentials",
    "EndUnconfirmed",
    "EngineSource",
    "Explanation",
    "GespollError",
    "ImportFailed",
    "ImportFile",
    "ImportPartiallyFailed",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "JobRef",
    "JobRequest",
    "JobSource",
    "JobStatus",
    "JobVanished",
    "JobsFailed",
    "ListIncomplete",
    "ListWindow",
    "ListingSource",
    "ManagementSource",
    "Observer",
    "PasswordCredentials",
    "PendingTimeout",
    "PermissionDenied",
    "Poller",
    "ProtocolError",
    "RequestMade",
    "RequestRejected",
    "ServiceUnavailable",
    "SourceError",
    "StateChange",
    "Statistics",
    "Throttled",
    "Token",
    "TransportError",
    "UnknownEnd",
    "WaitEnded",
    "WaitStarted",
    "WaitTimeout",
    "Watch",
    "connect",
    "snapshot_refs",
]

logging.getLogger("gespoll").addHandler(logging.NullHandler())
