/* For packages that name tinypure in LinkingTo. */
#define TINYPURE_ANSWER 42
