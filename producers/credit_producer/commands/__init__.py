"""The commands of `credit-producer`, one module each."""
