"""The real parts that tests run against, and where what they are built from is cached."""
