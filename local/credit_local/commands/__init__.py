"""The commands of `credit`, by what they are about."""
