"""Sample prompts, models and generations for ``bakeoff demo``, written for Bakeoff; Apache-2.0."""
