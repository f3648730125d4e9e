/* The least that each durable job can cost on this machine: no format, no checksum, no index.
 *
 *   bare append FILE EVENT           adds the bytes of the file EVENT to FILE and syncs
 *   bare sync FILE BYTES SECONDS     writes BYTES and syncs, again and again; prints times a second
 *   bare write FILE                  adds each line of its input to FILE, unsynced, and prints {"synced_end": N}
 *   bare follow FILE                 prints FILE, and what is added to it as soon as the kernel tells
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 16, RESERVE_BYTES = 4 << 20 };

static void must(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static int append_one(const char *path, const char *event) {
    static char bytes[PIECE_BYTES];
    int from = open(event, O_RDONLY);
    must(from >= 0, event);
    ssize_t length = read(from, bytes, sizeof bytes);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    must(length > 0 && file >= 0, path);
    must(write(file, bytes, (size_t)length) == length && fdatasync(file) == 0, path);
    return 0;
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Into space that is reserved in steps, so that a sync need not write the file's size: the fastest way there is.
 * Beside a process that never sleeps, since a virtual processor with nothing to do hears of the disk late. */
static int sync_often(const char *path, size_t bytes, double seconds) {
    char *piece = malloc(bytes);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(piece && file >= 0, path);
    memset(piece, 7, bytes);
    pid_t awake = fork();
    must(awake >= 0, "fork");
    if (awake == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) sched_yield();
    }
    double began = now();
    long count = 0;
    off_t at = 0, reserved = 0;
    while (now() - began < seconds) {
        if (at + (off_t)bytes > reserved) {
            must(posix_fallocate(file, reserved, RESERVE_BYTES + (off_t)bytes) == 0, path);
            reserved += RESERVE_BYTES + (off_t)bytes;
        }
        must(pwrite(file, piece, bytes, at) == (ssize_t)bytes && fdatasync(file) == 0, path);
        at += (off_t)bytes;
        count++;
    }
    printf("%.1f\n", (double)count / (now() - began));
    kill(awake, SIGKILL);
    waitpid(awake, NULL, 0);
    return 0;
}

static int write_lines(const char *path) {
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    must(file >= 0, path);
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    for (long count = 1; (length = getline(&line, &room, stdin)) > 0; count++) {
        must(write(file, line, (size_t)length) == length, path);
        printf("{\"synced_end\": %ld}\n", count);
        fflush(stdout);
    }
    return 0;
}

static _Noreturn void follow(const char *path) {
    static char bytes[PIECE_BYTES];
    int file = open(path, O_RDONLY), news = inotify_init1(0);
    must(file >= 0 && news >= 0 && inotify_add_watch(news, path, IN_MODIFY) >= 0, path);
    for (;;) {
        ssize_t length;
        while ((length = read(file, bytes, sizeof bytes)) > 0) must(write(1, bytes, (size_t)length) == length, "output");
        must(length == 0 && read(news, bytes, sizeof bytes) > 0, path);
    }
}

int main(int count, char **args) {
    const char *job = count > 2 ? args[1] : "";
    if (count == 4 && !strcmp(job, "append")) return append_one(args[2], args[3]);
    if (count == 5 && !strcmp(job, "sync")) return sync_often(args[2], strtoul(args[3], NULL, 10), strtod(args[4], NULL));
    if (count == 3 && !strcmp(job, "write")) return write_lines(args[2]);
    if (count == 3 && !strcmp(job, "follow")) follow(args[2]);
    fprintf(stderr, "bare: append, sync, write or follow\n");
    return 2;
}
