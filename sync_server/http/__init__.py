"""HTTP alone: routes, bodies, answers and errors; the work is done in the other rooms."""
