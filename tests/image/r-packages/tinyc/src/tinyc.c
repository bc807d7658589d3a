#include <Rinternals.h>
#include <tinypure.h>

SEXP tinyc_answer(void) { return Rf_ScalarInteger(TINYPURE_ANSWER); }
