"""What every test gets."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A shared, slow machine is no failure: no deadline for one example. A failure prints how to replay exactly it.
settings.register_profile(
    "counterhub", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.register_profile("thorough", parent=settings.get_profile("counterhub"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "counterhub"))
