"""How chaos runs kill what they perform and what they look at afterwards; `runtime/chaos.py` judges it."""
