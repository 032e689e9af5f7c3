"""`python -m credit_local` is the command `credit`."""

from .cli import main

main()
