/* daemon.h - what the main() of every daemon does: options, configuration, log, hardening, exit code.
 *
 *   static int run(const void *config)
 *   {
 *       CLEANUP(mempoold_destroy) struct mempoold *daemon = NULL;
 *       int rc = mempoold_new(&daemon, config);   // loop_new() first; then bus, store, admin, ...
 *       if (rc < 0)
 *           return log_failure(rc, "start");
 *       daemon_ready();
 *       return mempoold_run(daemon);              // loop_run()
 *   }
 *
 *   int main(int argc, char *argv[])
 *   {
 *       static const struct daemon_spec spec = {.name = "mempoold",
 *                                               .summary = "holds transactions until they are in a block",
 *                                               .config_bytes = sizeof(struct mempoold_config),
 *                                               .tables = &mempoold_config_table,
 *                                               .table_count = 1,
 *                                               .run = run};
 *       return daemon_main(argc, argv, &spec);
 *   }
 *
 * Not pure: process state. Ownership: the configuration belongs to daemon_main(); it outlives run(). Threads: called
 * from main() before any thread exists.
 */
#pragma once

#include <stddef.h>

#include "common/edge/config.h"

enum daemon_exit {
    DAEMON_EXIT_OK = 0,      /* stopped by SIGTERM or SIGINT; or the option did its work */
    DAEMON_EXIT_FAILURE = 1, /* could not start or go on: the last log line says why */
    DAEMON_EXIT_USAGE = 2,   /* wrong option or configuration */
};

struct daemon_spec {
    const char *name;                  /* of the program and in each log line */
    const char *summary;               /* half a sentence for --help */
    size_t config_bytes;               /* the daemon's configuration struct, which begins with struct config_common */
    const struct config_table *tables; /* its own keys; the common ones are added (CONFIG_TABLE_COUNT_MAX - 1) */
    size_t table_count;

    /* What the tables cannot say (a key needed because of another): logs with config_problem() and returns 0 or
     * ERR_CONFIG. Also part of --check. May be NULL. */
    int (*check)(const void *config);

    /* Start, work until stopped, clean up. Returns 0 or a negative result, which is the exit code 1 (ERR_CONFIG: 2). */
    int (*run)(const void *config);
};

/* Carry out the whole life of a daemon and return its exit code.
 *
 *   (no option)     load the configuration, run
 *   --check         load the configuration, say whether it is valid
 *   --print-config  load it and print it, secrets masked
 *   --help          options and the table of keys
 *   --version       name and version
 *
 * Before run(): umask 077, no core dumps and no debugger (secrets are in memory), SIGPIPE ignored, libsodium ready, log
 * open with NODE_NAME and LOG_LEVEL, scheduled as SCHED_BATCH (docs/adr/0019). After it the line event=daemon.stopped.
 */
MUST_USE int daemon_main(int argc, char *argv[], const struct daemon_spec *spec);

/* Log event=daemon.ready: all is set up, work begins. */
void daemon_ready(void);

/* The project's version, as 0.1.0. */
const char *daemon_version(void);
