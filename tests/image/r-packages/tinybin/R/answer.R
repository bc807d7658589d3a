# The answer, from C.
answer <- function() .Call(tinybin_answer)
