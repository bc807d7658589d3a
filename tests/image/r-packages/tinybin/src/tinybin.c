#include <Rinternals.h>

SEXP tinybin_answer(void) { return Rf_ScalarInteger(42); }
