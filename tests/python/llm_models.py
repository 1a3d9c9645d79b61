"""llm: a model of its `extra-openai-models.yaml`, with a tool, whole and streamed."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from scenario import read_level


async def scenario(url: str, model: str, said: str) -> dict[str, Any]:
    """The final texts, by way."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LLM_USER_PATH"] = folder
        entry = {"model_id": "headrace", "model_name": model, "api_base": url, "supports_tools": True}
        # JSON is YAML.
        (Path(folder) / "extra-openai-models.yaml").write_text(json.dumps([entry]))
        import llm

        seen = {}
        for way in ("whole", "streamed"):
            chain = llm.get_model("headrace").chain(
                said,
                system="Be brief.",
                tools=[read_level],
                stream=way == "streamed",
                key="none",
                options={"temperature": 0.5},
            )
            *_, last = [response.text() for response in chain.responses()]
            seen[way] = last
    return seen
