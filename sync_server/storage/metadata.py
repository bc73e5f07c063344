"""What all tables of the server belong to."""

from sqlalchemy import MetaData

metadata = MetaData()
