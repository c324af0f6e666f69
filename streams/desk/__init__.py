"""The desk: pure, deterministic, standard library only. Begin reading at desk.py."""
