"""What sees: the camera, later beacons and hand scanners. Each makes sightings for the lane."""
