/* timed REPORT COMMAND…: runs the command, then writes "seconds peak_kib status" to the file REPORT.
 *
 * The kernel counts the memory that a process had before it became the command as the command's own, so a
 * Python that starts it would set a floor of its own size. This program is small enough to set none. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int main(int count, char **args) {
    if (count < 3) return 2;
    double began = now();
    pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) {
        execvp(args[2], args + 2);
        perror(args[2]);
        _exit(127);
    }
    int status;
    struct rusage used;
    if (wait4(child, &status, 0, &used) != child) return 2;
    double seconds = now() - began;
    FILE *report = fopen(args[1], "w");
    if (!report) return 2;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    fprintf(report, "%.6f %ld %d\n", seconds, used.ru_maxrss, code);
    return fclose(report) ? 2 : 0;
}
