"""Decide on which day a visit was made, by one rule for workbooks, pages and the API."""

from datetime import date, timedelta

REST_OF_WEEK = timedelta(days=6)
EARLY, LATE = timedelta(days=7), timedelta(days=180)  # a visit's date around its list's week; beyond: a slip


def usual_date(as_of: date, today: date) -> date:
    """Return the day of a visit without a date: the day of its list's week that is nearest to today."""
    return max(as_of, min(today, as_of + REST_OF_WEEK))


def near_week(visited: date, as_of: date) -> bool:
    """Tell whether a visit's date is near enough to its list's week to be no slip."""
    return as_of - EARLY <= visited <= as_of + LATE


def yet_to_come(visited: date, as_of: date, today: date) -> bool:
    """Tell whether a visit's date lies ahead, beyond its list's week."""
    return visited > max(today, as_of + REST_OF_WEEK)
