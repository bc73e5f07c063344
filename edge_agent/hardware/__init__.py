"""What opens, shines and sounds. Hardware modules are imported late, by `bootstrap`."""
