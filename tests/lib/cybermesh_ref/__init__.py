"""A client for CyberMesh written from docs/protocol.md alone: it shares no code with the daemons.

Modules: events (build, sign, encode), checks (what the system checks, in its order), control (CommitEvent), genesis,
block, merkle, statetree, certificates, genesis_certificate, proofs, and under them wire (protobuf), jsonrules and hashing.
"""
