"""One import's transfer as a process: exports, writes to scratch, serves what is finished, and says how far it is.

It decides nothing about the import: the operator does, reads the report, and says when to stop. Whatever happens to
the process, the next one on the same scratch goes on from the ledger.
"""
