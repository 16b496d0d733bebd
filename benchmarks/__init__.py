"""Benchmarks of alongside against its peers and against the machine's own limits: `python -m benchmarks NAME`.

Owns: what is measured and how it is judged. Must never: be imported by the package, or let a wrong answer be timed.
"""
