"""What others are shown of a name: nothing that hides or reorders, and every language whole."""

import pytest

from shared.names import alike, shown_name

KEPT = [
    "Ann",
    "Zoë Müller-Łukasz",
    "水車 みず 물",
    "مُحَمَّد",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "שָׁלוֹם Ann 12",
    "क्\u200dष श्री",
    "ශ්\u200dරී",
    "র\u200d্য",
    "نِ\u200cم",
    "👩\u200d💻 👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈 🧑🏽\u200d🚀 🙂\u200d↔\ufe0f 1\ufe0f⃣",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "葛\U000e0100飾",
    "e\u0301 \u0604",
    "🩷 ㎏",
]


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    """Letters and signs of any language, emoji that are joined of several; twice cleaned is once cleaned."""
    assert shown_name(name, 100) == name


@pytest.mark.parametrize("hidden", [chr(code) for code in range(0x202A, 0x202F)] + ["\u2066", "\u2069"])
@pytest.mark.parametrize("name", ["Ann", "شريف"])
def test_no_direction(name: str, hidden: str) -> None:
    """No mark turns the line that a name stands in."""
    assert shown_name(f"{hidden}{name[:2]}{hidden}{name[2:]}{hidden}", 100) == name


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("An\u200en\u200f\u061c", "Ann"),
        ("A\u200bn\u2060n\ufeff\u00ad\u180e", "Ann"),
        ("A\u200cn\u200dn", "Ann"),
        ("A\ufe0fn\ufe00n\U000e0101\U000e0041", "Ann"),
        ("A\u034fn\u115fn\u3164\uffa0\u2800", "Ann"),
        ("A\x00n\x1b[31mn\x7f\x9b", "An[31mn"),
        ("Ann\r\nBob\tCid\u2028Dan\x85Eve", "Ann Bob Cid Dan Eve"),
        ("A\ud800nn\udfff", "Ann"),
        ("  Ann \u00a0\u3000 Bob ", "Ann Bob"),
        ("👩\u200d", "👩"),
        ("👩\u200d\u200d💻", "👩\u200d💻"),
        ("شريف\u200c\u200c\u200d", "شريف"),
        ("م\u200c\u200cن", "م\u200cن"),
        ("\u202e\u200b\u3164", ""),
        ("A\u2065n\ufff0n\U000e0080\U000e0fff\ufdd0\uffff\U0001d159", "Ann"),
        ("\u0301Ann \u20dd\u0335Bob", "Ann Bob"),
        ("A" + "\u0301" * 30 + "nn", "A" + "\u0301" * 4 + "nn"),
        ("🏴\U000e0041\U000e0062 🏴\U000e0067\U000e0062", "🏴 🏴"),
        ("🏴" + "\U000e0061" * 7 + "\U000e007f", "🏴"),
    ],
)
def test_left_out(given: str, shown: str) -> None:
    """What nobody sees, wherever it stands, so that no two names look alike."""
    assert shown_name(given, 100) == shown
    assert shown_name(shown, 100) == shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "\uff21\uff2e\uff2e"),
        ("Jos\u00e9", "JOSE\u0301"),
        ("مح", "م\u200dح"),
        ("1", "1\ufe0f"),
        ("葛", "葛\U000e0100"),
    ],
)
def test_alike(one: str, other: str) -> None:
    """Names that people would take for one another."""
    assert one != other
    assert shown_name(other, 100) == other
    assert alike(one) == alike(other)


def test_cut() -> None:
    """Where it is too long, with no joiner left that joined what is gone; however much is left out before."""
    assert shown_name("a👩\u200d💻", 3) == "a👩"
    assert shown_name("\u202e" * 30 + "abcdefghij", 5) == "abcde"
