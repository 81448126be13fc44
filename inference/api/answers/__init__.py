"""The bodies that `wire` writes, as types: the published document is made of them, and tests hold the wire to them.

Nothing of a request's way uses them: `wire` writes plain objects, which is cheaper.
"""
