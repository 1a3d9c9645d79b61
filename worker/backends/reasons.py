"""Why an answer ended: every word that servers have for it, as one of ours."""

import re
from functools import lru_cache

from shared.events import FinishReason

#: Written in small letters, with `_` for anything between.
_WORDS: dict[FinishReason, str] = {
    "stop": "stop stopped end ended end_turn end_of_turn eos eos_token eot eot_id stop_sequence stop_str"
    " stop_token complete completed finish finished done success end_of_text normal",
    "length": "length max_tokens max_output_tokens max_completion_tokens max_new_tokens limit max_length"
    " model_length model_context_window_exceeded token_limit truncated context_length incomplete error_limit"
    " context_length_exceeded",
    "tool_calls": "tool_calls tool_call tool_use tool tools function_call function_calls",
    "content_filter": "content_filter content_filtered safety image_safety recitation language blocklist spii"
    " prohibited_content refusal sensitive blocked moderation error_toxic guardrail_intervened guardrails"
    " model_armor content_policy content_policy_violation",
    "error": "error insufficient_system_resource network_error abort aborted cancel cancelled canceled failed"
    " failure timeout other malformed_function_call unexpected_tool_call too_many_tool_calls overloaded"
    " internal_error server_error interrupted",
}
_KNOWN = {word: reason for reason, listed in _WORDS.items() for word in listed.split()}
#: For words that nobody has met yet; what tells of an answer that is not whole goes first.
_LIKELY: dict[FinishReason, re.Pattern[str]] = {
    "error": re.compile("error|fail|abort|cancel|malformed|resource|overload|time_?out|interrupt|invalid"),
    "content_filter": re.compile("filter|safe|moderat|polic|prohibit|sensitiv|guard|violat|block|refus"),
    "length": re.compile("max|length|limit|token|truncat|exceed"),
    "tool_calls": re.compile("tool|function"),
}
#: Servers that write something into the field before there is anything to say.
_NOT_YET = frozenset({"", "null", "none", "not_finished", "in_progress", "unspecified"})


def is_reason(word: str) -> bool:
    """Whether *word* says that an answer has ended."""
    return _plain(word) not in _NOT_YET


def reason_of(word: str) -> FinishReason:
    """Ours for the upstream's *word*."""
    plain = _plain(word)
    if known := _KNOWN.get(plain):
        return known
    return next((reason for reason, pattern in _LIKELY.items() if pattern.search(plain)), "stop")


@lru_cache(maxsize=256)
def _plain(word: str) -> str:
    # Also `maxTokens`, and enumerations written out whole: `FinishReason.MAX_TOKENS`.
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word[:200].strip().rpartition(".")[2])
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_").removeprefix("finish_reason_")
