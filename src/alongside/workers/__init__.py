"""What happens at a worker, and the process workers: wire, channel, zygote, child, supervisor.

Everything here that a worker process imports stays light: no dataclasses, no asyncio, no third-party module at import.
"""
