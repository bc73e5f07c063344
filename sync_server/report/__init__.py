"""What remains of an event: the final report and the list of who came."""
