/* Measures the time from the start of a program to its first child, without a tracer that slows both.
 *
 *   first-child FILE COMMAND ARGUMENT...   writes the time to FILE and becomes COMMAND
 *   apt-get …                              (by that name) appends the time to $FIRST_CHILD and says no
 *
 * Times are nanoseconds of the monotonic clock, one a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char *name = strrchr(argv[0], '/');
    int child = strcmp(name ? name + 1 : argv[0], "first-child") != 0;
    const char *path = child ? getenv("FIRST_CHILD") : argc > 2 ? argv[1] : NULL;
    FILE *file = path ? fopen(path, child ? "a" : "w") : NULL;
    if (!file) return 2;
    fprintf(file, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
    fclose(file);
    if (child) return 100;
    execvp(argv[2], argv + 2);
    return 127;
}
