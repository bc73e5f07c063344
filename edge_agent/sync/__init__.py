"""Down come the lists, up go the journal and the status: DESIGN §5. Nothing here ever decides
about a person, and nothing here is waited for by what does.
"""
