"""Recorded runs that every version of this program must be able to replay; `make.py` has written them."""
