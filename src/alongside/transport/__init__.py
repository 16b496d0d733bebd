"""How values cross from one process to another: by pickle, as shared buffers, as errors.

Owns: pickling by reference or by value, the reasons why something cannot be pickled, the form in which exceptions
travel, shared memory. Must never: know what a task is, open a connection, or start anything.
"""
