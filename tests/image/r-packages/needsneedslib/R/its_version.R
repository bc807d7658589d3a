# What needslib says.
its_version <- function() version()
