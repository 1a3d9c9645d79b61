"""The gateway: accepts chat requests, queues generations and relays their logs to clients."""
