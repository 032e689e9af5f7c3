"""The sandbox platform: a separate program that stands in for the provincial and the national credit platform.

It shares no code with the rest of the project. Its rules are written anew from the field tables, so that a
mistake in the contract's rules is refused here as the real platform would refuse it. The interface is our
invention (the real one is not public); docs/sandbox-protocol.md describes it.

Start it with ``python -m credit_platforms.sandbox --help``.
"""
