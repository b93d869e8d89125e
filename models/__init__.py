"""Training, calibration, evaluation, registration and scoring of the need models."""
