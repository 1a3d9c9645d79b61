"""What a job works with."""

import msgspec

from shared.blobs import Blobs
from shared.broker import Broker
from shared.channels import Channels
from shared.conversations import Conversations
from shared.event_log import EventLog
from shared.models import Models
from shared.queue import Queue
from shared.settings import Settings
from worker.appenders import Appenders
from worker.registry import Registry
from worker.upstreams import Upstreams


class Tools(msgspec.Struct):
    """Everything the jobs of a process share."""

    settings: Settings
    broker: Broker
    channels: Channels
    models: Models
    upstreams: Upstreams
    log: EventLog
    conversations: Conversations
    blobs: Blobs
    queue: Queue
    appenders: Appenders
    registry: Registry
