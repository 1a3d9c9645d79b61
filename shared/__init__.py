"""The contract between gateway and worker: only what both sides must agree on."""
