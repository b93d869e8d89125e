"""Lengths of time in days, each named by what it is."""

WEEK = 7
YEAR_OF_WEEKS = 52 * WEEK  # a window a year ago then begins on the same weekday
COMMON_YEAR = 365
JULIAN_YEAR = 365.25  # the mean with leap years: ages
GREGORIAN_YEAR = 365.2425  # the mean of the calendar: the season's angle
MEAN_MONTH = 30.44
