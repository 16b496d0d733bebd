"""The shell of one run: what carries the coordinator's decisions out, and what is known about this machine.

Owns the driver and everything around it. Must never decide scheduling: that is the coordinator's, in `core`.
"""
