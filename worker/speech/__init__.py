"""Text -> audio: sentences of what is written, a voice for each, and the bytes that a reader gets."""
