# Whether C and R give the same answer.
answers_agree <- function() identical(.Call(tinyc_answer), answer())
