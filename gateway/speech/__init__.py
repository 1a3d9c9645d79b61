"""The speech calls: a text, or a reply while it is written, as sound."""
