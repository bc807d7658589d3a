#include <Rinternals.h>
#include <sodium.h>

SEXP needslib_version(void) { return Rf_mkString(sodium_version_string()); }
