# The answer, and the version that gave it.
answer <- function() 42L
