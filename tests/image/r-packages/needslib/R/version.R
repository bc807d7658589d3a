# The version of libsodium.
version <- function() .Call(needslib_version)
