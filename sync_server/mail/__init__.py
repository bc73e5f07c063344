"""Mails: tickets to participants, alerts to organisers (docs/mail.md)."""
