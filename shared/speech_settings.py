"""What can be set of speech; `shared/settings.py` has the rest, and how it is read."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class SpeechSettings(BaseSettings):
    """Of workers, but for what the broker keeps."""

    # Speech

    #: Whether workers speak, with what is installed (the extra `speech`) or models.toml names.
    speech: Literal["auto", "off"] = "auto"
    #: Speeches that one worker process speaks at once; more wait.
    speech_concurrency: int = Field(20, ge=1)
    #: Processes of low priority in which a worker makes their sound.
    speech_processes: int = Field(1, ge=1, le=64)
    #: The sound of one speech may not grow beyond this.
    max_speech_bytes: int = Field(32 * 1024 * 1024, gt=0)
    #: The sound of a speech is kept this long after the last of it was made.
    speech_retention_s: int = Field(3600, gt=0)
