"""
What the small Gemma needs told: it is a base model, which only goes on writing what it reads.

The template shows it a conversation, and the stop words end the answer where it would go on to ask the next
question itself.
"""

import json
from typing import Any

PARAMETERS: dict[str, Any] = {
    "temperature": 0.3,
    "repeat_penalty": 1.15,
    "stop": ["\nUser:", "\nAssistant:", "\n\n"],
}

_OPENING = "A conversation between a user and a helpful assistant who gives short and correct answers."
_EXAMPLES = (
    ("Hi!", "Hello! What can I do for you?"),
    (
        "Who are you?",
        "I am a small language model that runs on your own computer. I can answer simple questions.",
    ),
    ("How are you?", "I am doing well, thank you! What would you like to talk about?"),
    ("Thank you!", "You are welcome! Is there anything else you would like to know?"),
    ("What is 3 + 4?", "3 + 4 is 7."),
    (
        "Tell me a short story about a fox.",
        "Once upon a time, a young fox lived at the edge of a quiet forest. One winter she found a lost "
        "lamb in the snow and led it safely home. From that day on, the farmer left a bowl of milk at his "
        "door every evening.",
    ),
    ("What is the capital of Japan?", "The capital of Japan is Tokyo."),
    (
        "What is a database?",
        "A database is an organised collection of data that is kept on a computer. Programs send it "
        "questions, and it answers with the records that match. This way, information can be stored for "
        "years and still be found in a moment.",
    ),
    (
        "Explain how rain forms.",
        "Rain forms when the sun warms the sea and water rises into the air as vapour. High above the "
        "ground the vapour cools and gathers into tiny drops, which we see as clouds. When the drops grow "
        "too heavy, they fall to the ground as rain.",
    ),
)

_TEMPLATE = r"""
{%- if messages and messages[0]['role'] == 'system' -%}
{{- messages[0]['content'] | trim -}}
{%- else -%}
{{- OPENING -}}
{%- endif -%}
{{- SHOWN -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{- 'User:\n' + message['content'] | trim + '\n' -}}
{%- elif message['role'] == 'assistant' -%}
{{- 'Assistant:\n' + message['content'] | trim + '\n\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- 'Assistant:\n' -}}
{%- endif -%}
""".strip()


def chat_template() -> str:
    """
    The Jinja template that turns a conversation into text to go on with.

    Role and content stand on lines of their own: after `Assistant: ` on one line the first token
    would carry a space, which would then begin every answer.
    """
    shown = "".join(f"User:\n{question}\nAssistant:\n{answer}\n\n" for question, answer in _EXAMPLES)
    return _TEMPLATE.replace("OPENING", json.dumps(_OPENING)).replace("SHOWN", json.dumps(f"\n\n{shown}"))
