"""The commands: a thin edge that parses words and prints results."""
