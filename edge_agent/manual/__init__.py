"""Manual override: a supervisor at the gate signs in, finds somebody and decides (issue 5).

Works without the network; what the server knows more is asked for in passing.
"""
