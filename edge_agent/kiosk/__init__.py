"""What a visitor sees at the gate: `screens` says what to show, `web` serves the page."""
