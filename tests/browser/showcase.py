"""A conversation that has everything a reply can have, for pictures and for looking closely."""

TURNS = [
    (
        "How does a water mill turn a river into flour?",
        """A mill **borrows** the river's fall. A *weir* lifts the water, and a channel, the **headrace**,
carries it to the wheel without losing height on the way.

1. Water leaves the headrace and fills the buckets of the wheel.
2. Their weight turns the shaft, slowly and with great force.
3. Gears trade force for speed, and the upper stone spins over the lower one.

| wheel | head | efficiency |
| --- | ---: | ---: |
| undershot | 0.5 m | 30 % |
| breastshot | 2 m | 60 % |
| overshot | 4 m | 85 % |

> The best headrace neither leaks nor runs dry.""",
    ),
    (
        "And how much power is that? Show me in Python.",
        """The power is $P = \\eta \\rho g Q h$: efficiency, density, gravity, flow and head.

```python
def power(flow: float, head: float, efficiency: float = 0.85) -> float:
    \"\"\"Watts from a flow in m³/s that falls *head* metres.\"\"\"
    return efficiency * 1000 * 9.81 * flow * head


print(f"{power(flow=0.3, head=4) / 1000:.1f} kW")  # 10.0 kW
```

About ten kilowatts: enough for two pairs of stones, day and night.""",
    ),
]

#: Conversations beside it: their titles, and how long ago they were used, in hours.
OTHERS = [
    ("Compare SSE and WebSockets in a table", 2),
    ("A quiet weekend in the mountains", 5),
    ("Merge two sorted lists", 26),
    ("水车的历史", 30),
    ("Why is the sky blue at noon and red at night?", 80),
    ("Sourdough, step by step", 120),
    ("Letter to the landlord", 300),
]
