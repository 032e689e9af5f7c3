"""`python -m credit_producer` is the command `credit-producer`."""

from .cli import main

main()
